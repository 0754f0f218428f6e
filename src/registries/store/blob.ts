import { type Descriptor, type Digest, MediaType, type RepositoryName } from '#core/oci';
import {
  type BlobTarget,
  blobUnknown,
  type Call,
  type Deleter,
  digestMismatch,
  type MountAnswer,
  type MountOptions,
  type Reader,
  rangeWithin,
  servedBy,
  type Writer,
} from '#core/registry';
import type { ByteSource } from '#core/std';
import { adopt } from './adopt.ts';
import { mountBlob, unlinkBlob } from './catalog/blob.ts';
import { readBlobSize, readHolders } from './catalog/read.ts';
import { holdingGc, inBackground, type StoreContext, seenKey } from './context.ts';
import { digestOfSession, receive } from './receive.ts';
import { repositoryOf } from './repository.ts';
import { storing } from './storage-error.ts';
import { newSession } from './upload.ts';

type BlobMethods = Pick<Reader, 'resolveBlob' | 'getBlob'> &
  Pick<Writer, 'putBlob' | 'mountBlob'> &
  Pick<Deleter, 'deleteBlob'>;

export function blobMethods(context: StoreContext, startUpload: Writer['startUpload']): BlobMethods {
  return {
    async resolveBlob(repository, digest) {
      const look = () => sizeOf(context, repository, digest);
      const size = await holdingGc(context, seenKey(repository, digest), look);
      return servedBy(context.name, { mediaType: MediaType.octets, digest, size });
    },
    async getBlob(repository, digest, { range }) {
      const size = await sizeOf(context, repository, digest);
      const { start, end } = rangeWithin(size, range);
      await checkFile(context, repository, { digest, size });
      const descriptor = { mediaType: MediaType.octets, digest, size };
      const file = context.fs.blob(context.layout.blob(digest), { start, end });
      return servedBy(context.name, { kind: 'file', descriptor, file });
    },
    putBlob: (repository, target, body, call) => storing(() => put(context, repository, { target, body, call })),
    mountBlob: (repository, digest, options, call) =>
      storing(async (): Promise<MountAnswer> => {
        const size = await mount(context, repository, { digest, options });
        if (size !== undefined) return { kind: 'mounted', descriptor: { digest, size } };
        return { kind: 'upload', upload: await startUpload(repository, {}, call) };
      }),
    deleteBlob: (repository, digest) =>
      storing(async () => {
        await repositoryOf(context, repository);
        if (!(await context.database.write(unlinkBlob, { repository, digest }))) throw blobUnknown(repository, digest);
      }),
  };
}

/** Throws NAME_UNKNOWN, BLOB_UNKNOWN. */
async function sizeOf(context: StoreContext, repository: RepositoryName, digest: Digest): Promise<number> {
  const size = await readBlobSize(context.database, await repositoryOf(context, repository), digest);
  if (size === undefined) throw blobUnknown(repository, digest);
  return size;
}

/** A file that somebody removed or cut is not served; a scrub makes it unknown, and a push brings it back. */
async function checkFile(
  context: StoreContext,
  repository: RepositoryName,
  blob: { readonly digest: Digest; readonly size: number },
): Promise<void> {
  const facts = await context.fs.stat(context.layout.blob(blob.digest));
  if (facts?.sizeBytes === blob.size) return;
  context.log.error('a blob file is damaged', {
    digest: blob.digest,
    expectedBytes: blob.size,
    actualBytes: facts?.sizeBytes ?? 'no file',
    hint: 'run "entrepot scrub"',
  });
  throw blobUnknown(repository, blob.digest);
}

type Put = { readonly target: BlobTarget; readonly body: ByteSource; readonly call: Call };

/** A whole blob in one step: nothing to resume, so no row and, when it fails, no file. */
async function put(
  context: StoreContext,
  repository: RepositoryName,
  { target, body, call }: Put,
): Promise<Descriptor> {
  const session = newSession(context, { repository, principal: call.principal });
  const path = context.layout.upload(session.id);
  const file = await context.fs.openFile(path);
  try {
    await receive(
      context,
      { session, file },
      { body, ...(target.size === undefined ? {} : { size: target.size }) },
      call,
    );
    const actual = await digestOfSession(context, session, target.digest);
    if (actual !== target.digest) throw digestMismatch(target.digest, actual);
    return await adopt(context, { repositories: [repository], digest: actual, sizeBytes: session.offset, file, path });
  } catch (thrown) {
    inBackground(context, 'removing a failed upload', context.fs.unlink(path));
    throw thrown;
  } finally {
    await file.close();
  }
}

type Mount = { readonly digest: Digest; readonly options: MountOptions };

/** Asks before it looks: whether a repository has a blob is known only to those who may read it. */
async function mount(context: StoreContext, repository: RepositoryName, { digest, options }: Mount) {
  const { database, limits, clock } = context;
  const { from, mayRead } = options;
  const holders = from === undefined ? await readHolders(database, digest, limits.mountCandidates) : [from];
  for (const holder of holders) {
    if (!(await mayRead(holder))) continue;
    const size = await database.write(mountBlob, { from: holder, repository, digest, nowMs: clock.now() });
    if (size !== undefined) return size;
  }
  return undefined;
}
