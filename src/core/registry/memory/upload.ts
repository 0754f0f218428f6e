import { RegistryError, type RepositoryName } from '#core/oci';
import { type ByteSource, chunksOf } from '#core/std';
import { sizeMismatch, uploadUnknown } from '../answer.ts';
import type { AppendOptions, Call, Principal, Upload, Writer } from '../types.ts';
import { linkVerified } from './blob.ts';
import type { MemoryState, Session } from './state.ts';

export function uploadMethods(state: MemoryState): Pick<Writer, 'startUpload' | 'openUpload'> {
  return {
    async startUpload(repository, _options, call) {
      const session: Session = {
        id: state.newUploadId(),
        repository,
        principal: call.principal,
        chunks: [],
        offset: 0,
        busy: false,
      };
      state.uploads.set(session.id, session);
      return uploadOf(state, session);
    },
    async openUpload(repository, uploadId, call) {
      return uploadOf(state, sessionOf(state, repository, uploadId, call));
    },
  };
}

/** A session is found by its own principal in its own repository alone; whoever guesses an id learns nothing. */
function sessionOf(state: MemoryState, repository: RepositoryName, id: string, call: Call): Session {
  const session = state.uploads.get(id);
  if (!session || session.repository !== repository || !samePrincipal(session.principal, call.principal)) {
    throw uploadUnknown(repository);
  }
  return session;
}

function samePrincipal(left: Principal, right: Principal): boolean {
  return left.kind === right.kind && left.name === right.name;
}

function uploadOf(state: MemoryState, session: Session): Upload {
  const alone = async <T>(call: Call, work: () => Promise<T>) => {
    sessionOf(state, session.repository, session.id, call);
    return await exclusively(session, work);
  };
  return {
    id: session.id,
    get offset() {
      return session.offset;
    },
    append: (body, options, call) => alone(call, () => append(session, body, options, call)),
    commit: (digest, final, call) =>
      alone(call, async () => {
        if (final) await append(session, final.body, final, call);
        state.uploads.delete(session.id);
        return await linkVerified(state, session.repository, { digest, blob: new Blob(session.chunks.map(ownBytes)) });
      }),
    async cancel(call) {
      sessionOf(state, session.repository, session.id, call);
      state.uploads.delete(session.id);
    },
  };
}

async function exclusively<T>(session: Session, work: () => Promise<T>): Promise<T> {
  if (session.busy) {
    throw new RegistryError('BLOB_UPLOAD_INVALID', 'another request writes to this upload', {
      hint: 'wait for it to end, then ask for the offset',
    });
  }
  session.busy = true;
  try {
    return await work();
  } finally {
    session.busy = false;
  }
}

async function append(session: Session, body: ByteSource, options: AppendOptions, call: Call): Promise<number> {
  checkStart(session.offset, options.start);
  const before = session.offset;
  for await (const chunk of chunksOf(body)) {
    call.signal?.throwIfAborted();
    session.chunks.push(chunk.slice());
    session.offset += chunk.byteLength;
  }
  const receivedBytes = session.offset - before;
  if (options.size !== undefined && options.size !== receivedBytes) throw sizeMismatch(options.size, receivedBytes);
  return session.offset;
}

function checkStart(offset: number, start: number | undefined): void {
  if (start === undefined || start === offset) return;
  throw new RegistryError('RANGE_INVALID', `bytes from ${start} do not follow the ${offset} received`, {
    detail: { offset },
    hint: 'ask for the upload’s offset and go on from there',
  });
}

const ownBytes = (chunk: Uint8Array) => new Uint8Array(chunk);
