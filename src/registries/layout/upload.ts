import { RegistryError, type RepositoryName } from '#core/oci';
import { type AppendOptions, type Call, sizeMismatch, type Upload, uploadUnknown, type Writer } from '#core/registry';
import type { ByteSource } from '#core/std';
import type { Content } from './content.ts';
import { ensureLayout } from './entries.ts';
import { blobDescriptor } from './read.ts';
import { openSpool, type Spool } from './spool.ts';

type Session = { readonly id: string; readonly owner: string; readonly spool: Spool; busy: boolean };
type Sessions = Map<string, Session>;

/** Uploads into a layout. They end with the program: a layout has no place to keep them. */
export type Uploads = Pick<Writer, 'startUpload' | 'openUpload'> & { close(): Promise<void> };

export function createUploads(content: Content, root: string): Uploads {
  const sessions: Sessions = new Map();
  return {
    async startUpload(repository, _options, call) {
      const session = {
        id: crypto.randomUUID(),
        owner: ownerOf(repository, call),
        spool: await openSpool(root),
        busy: false,
      };
      sessions.set(session.id, session);
      return uploadOf({ content, root, sessions, repository }, session);
    },
    async openUpload(repository, uploadId, call) {
      return uploadOf({ content, root, sessions, repository }, find(sessions, repository, uploadId, call));
    },
    async close() {
      for (const { spool } of sessions.values()) await spool.discard();
      sessions.clear();
    },
  };
}

/** Whose an upload is: one principal's, in one repository. */
function ownerOf(repository: RepositoryName, { principal }: Call): string {
  return JSON.stringify([repository, principal.kind, principal.name]);
}

function find(sessions: Sessions, repository: RepositoryName, id: string, call: Call): Session {
  const session = sessions.get(id);
  if (!session || session.owner !== ownerOf(repository, call)) throw uploadUnknown(repository);
  return session;
}

type Place = {
  readonly content: Content;
  readonly root: string;
  readonly sessions: Sessions;
  readonly repository: RepositoryName;
};

function uploadOf({ content, root, sessions, repository }: Place, session: Session): Upload {
  const { id, spool } = session;
  const alone = async <T>(call: Call, work: () => Promise<T>) => {
    find(sessions, repository, id, call);
    return await exclusively(session, work);
  };
  return {
    id,
    get offset() {
      return spool.sizeBytes;
    },
    append: (body, options, call) => alone(call, () => append(spool, body, options, call)),
    commit: (digest, final, call) =>
      alone(call, async () => {
        if (final) await append(spool, final.body, final, call);
        sessions.delete(id);
        await spool.commit(digest);
        await ensureLayout(content, root);
        return blobDescriptor(digest, { size: spool.sizeBytes });
      }),
    cancel: (call) =>
      alone(call, async () => {
        sessions.delete(id);
        await spool.discard();
      }),
  };
}

async function exclusively<T>(session: Session, work: () => Promise<T>): Promise<T> {
  if (session.busy) throw new RegistryError('BLOB_UPLOAD_INVALID', 'another request writes to this upload');
  session.busy = true;
  try {
    return await work();
  } finally {
    session.busy = false;
  }
}

async function append(spool: Spool, body: ByteSource, options: AppendOptions, call: Call): Promise<number> {
  const before = spool.sizeBytes;
  if (options.start !== undefined && options.start !== before) {
    throw new RegistryError('RANGE_INVALID', `bytes from ${options.start} do not follow the ${before} received`, {
      detail: { offset: before },
      hint: 'ask for the upload’s offset and go on from there',
    });
  }
  await spool.append(body, call.signal);
  const receivedBytes = spool.sizeBytes - before;
  if (options.size !== undefined && options.size !== receivedBytes) throw sizeMismatch(options.size, receivedBytes);
  return spool.sizeBytes;
}
