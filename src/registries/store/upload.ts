import { type Descriptor, type Digest, RegistryError, type RepositoryName } from '#core/oci';
import {
  type AppendOptions,
  type Call,
  digestMismatch,
  type FinalChunk,
  type Principal,
  type Upload,
  uploadUnknown,
  type Writer,
} from '#core/registry';
import type { ByteSource } from '#core/std';
import { adopt } from './adopt.ts';
import { beginUpload, endUpload, type UploadRow } from './catalog/upload.ts';
import { inBackground, type StoreContext } from './context.ts';
import type { WriteFile } from './fs.ts';
import { digestOfSession, receive } from './receive.ts';
import { principalKey, type Session } from './session.ts';
import { isNoRoom, storing } from './storage-error.ts';

/** 128 bits: an id is a capability, and nobody guesses one. */
const ID_BYTES = 16;

export function uploadMethods(context: StoreContext): Pick<Writer, 'startUpload' | 'openUpload'> {
  return {
    startUpload: (repository, { algorithm }, call) =>
      storing(async () => {
        if (context.sessions.size >= context.limits.uploads) throw tooManyUploads(context.limits.uploads);
        const session = newSession(context, {
          repository,
          principal: call.principal,
          ...(algorithm ? { algorithm } : {}),
        });
        context.sessions.set(session.id, session);
        return uploadOf(context, session);
      }),
    openUpload: async (repository, uploadId, call) => {
      const session = context.sessions.get(uploadId) ?? (await reviveSession(context, uploadId));
      const isOver = session === undefined || (session.ended && !session.busy);
      if (isOver || session.repository !== repository || session.principal !== principalKey(call.principal)) {
        throw uploadUnknown(repository);
      }
      return uploadOf(context, session);
    },
  };
}

export type NewSession = {
  readonly repository: RepositoryName;
  readonly principal: Principal;
  readonly algorithm?: Session['algorithm'];
};

export function newSession(context: StoreContext, { repository, principal, algorithm }: NewSession): Session {
  return {
    id: context.random(ID_BYTES).toHex(),
    repository,
    principal: principalKey(principal),
    algorithm: algorithm ?? 'sha256',
    offset: 0,
    hasher: undefined,
    torn: false,
    busy: false,
    noted: false,
    ended: false,
    lastUsedMs: context.clock.now(),
  };
}

/**
 * Writes an upload down for a resume after a restart: once it has bytes, or when the store closes. One that is begun
 * and committed at once never costs a commit; one that a crash forgets before is begun anew.
 */
export function noteUpload(context: StoreContext, session: Session): void {
  if (session.noted || session.ended) return;
  session.noted = true;
  inBackground(context, 'noting an upload', context.database.write(beginUpload, rowOf(session)));
}

function rowOf(session: Session, startedAtMs = session.lastUsedMs): UploadRow {
  const { id, repository, principal, algorithm } = session;
  return { id, repository, principal, algorithm, started_at_ms: startedAtMs };
}

/** An upload begun before a restart: its bytes are on disk, its row says whose it is. */
async function reviveSession(context: StoreContext, id: string): Promise<Session | undefined> {
  const rows = await context.database.read<UploadRow>(
    'SELECT id, repository, principal, algorithm, started_at_ms FROM uploads WHERE id = ?',
    [id],
  );
  const [row] = rows;
  if (!row) return undefined;
  const facts = await context.fs.stat(context.layout.upload(id));
  // Somebody else may have asked the same meanwhile: there is one session.
  const known = context.sessions.get(id);
  if (known) return known;
  const session: Session = {
    id,
    repository: row.repository as RepositoryName,
    principal: row.principal,
    algorithm: row.algorithm === 'sha512' ? 'sha512' : 'sha256',
    offset: facts?.sizeBytes ?? 0,
    hasher: undefined,
    torn: false,
    busy: false,
    noted: true,
    ended: false,
    lastUsedMs: context.clock.now(),
  };
  context.sessions.set(id, session);
  return session;
}

function uploadOf(context: StoreContext, session: Session): Upload {
  return {
    id: session.id,
    get offset() {
      return session.offset;
    },
    append: (body, options, call) =>
      alone(context, session, async (file) => {
        try {
          await appendTo(context, { session, file }, { ...options, body }, call);
        } finally {
          noteUpload(context, session);
        }
        return session.offset;
      }),
    commit: (digest, final, call) =>
      alone(context, session, (file) => commit(context, { session, file }, { digest, final, call })),
    cancel: () =>
      storing(async () => {
        if (session.ended) throw uploadUnknown(session.repository);
        await dropSession(context, session);
      }),
  };
}

/** One writer at a time, with the file open for as long as it writes. */
function alone<T>(context: StoreContext, session: Session, work: (file: WriteFile) => Promise<T>): Promise<T> {
  return storing(async () => {
    if (session.busy) throw busy();
    if (session.ended) throw uploadUnknown(session.repository);
    session.busy = true;
    try {
      const file = await context.fs.openFile(context.layout.upload(session.id));
      try {
        return await work(file);
      } finally {
        await file.close();
      }
    } catch (thrown) {
      // What a full disk holds of a broken upload is the first thing to give back.
      if (isNoRoom(thrown)) await dropSession(context, session);
      throw thrown;
    } finally {
      session.busy = false;
      session.lastUsedMs = context.clock.now();
    }
  });
}

type Open = { readonly session: Session; readonly file: WriteFile };

async function appendTo(
  context: StoreContext,
  open: Open,
  chunk: AppendOptions & { readonly body: ByteSource },
  call: Call,
): Promise<void> {
  await receive(context, open, chunk, call);
  // Cancelled or expired while the bytes came.
  if (open.session.ended) throw uploadUnknown(open.session.repository);
}

type Commit = { readonly digest: Digest; readonly final: FinalChunk | undefined; readonly call: Call };

async function commit(context: StoreContext, open: Open, { digest, final, call }: Commit): Promise<Descriptor> {
  const { session, file } = open;
  if (final) await appendTo(context, open, final, call);
  const path = context.layout.upload(session.id);
  const actual = await digestOfSession(context, session, digest);
  if (actual !== digest) {
    await dropSession(context, session);
    throw digestMismatch(digest, actual);
  }
  if (session.torn) await file.truncate(session.offset);
  if (session.ended) throw uploadUnknown(session.repository);
  // Known until its row is gone: whoever asked meanwhile would revive it from the row, and write into the blob.
  session.ended = true;
  try {
    const { repository, offset, id, noted } = session;
    const row = noted ? { uploadId: id } : {};
    const blob = await adopt(context, { repositories: [repository], digest, sizeBytes: offset, file, path, ...row });
    context.sessions.delete(id);
    return blob;
  } catch (thrown) {
    await dropSession(context, session);
    throw thrown;
  }
}

/** Ends an upload without a blob. Its row goes without anyone waiting: a row without a file is an empty upload. */
export async function dropSession(context: StoreContext, session: Session): Promise<void> {
  session.ended = true;
  const forget = () => context.sessions.delete(session.id);
  if (session.noted) {
    const rowGone = context.database.write(endUpload, { id: session.id });
    inBackground(context, 'forgetting an upload', rowGone.finally(forget));
  } else forget();
  await context.fs.unlink(context.layout.upload(session.id));
}

function busy(): RegistryError {
  return new RegistryError('BLOB_UPLOAD_INVALID', 'another request writes to this upload', {
    hint: 'wait for it to end, then ask for the offset',
  });
}

function tooManyUploads(limit: number): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', `${limit} uploads are under way`, {
    retryAfterMs: 10_000,
    hint: 'finish or cancel some; idle ones expire',
  });
}
