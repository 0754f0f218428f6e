import { algorithmOf, type Digest, digestOf, type RepositoryName } from '#core/oci';
import { type ByteSource, chunksOf } from '#core/std';
import { blobUnknown, digestMismatch, rangeWithin, servedBy, sizeMismatch } from '../answer.ts';
import type { BlobTarget, Call, Deleter, MountOptions, Reader, Writer } from '../types.ts';
import { blobDescriptor, blobOf, ensureRepository, type MemoryState, repositoryOf } from './state.ts';

type BlobMethods = Pick<Reader, 'resolveBlob' | 'getBlob'> &
  Pick<Writer, 'putBlob' | 'mountBlob'> &
  Pick<Deleter, 'deleteBlob'>;

export function blobMethods(state: MemoryState, startUpload: Writer['startUpload']): BlobMethods {
  return {
    async resolveBlob(repository, digest) {
      return servedBy(state.name, blobDescriptor(digest, blobOf(state, repository, digest).size));
    },
    async getBlob(repository, digest, { range }) {
      const blob = blobOf(state, repository, digest);
      const { start, end } = rangeWithin(blob.size, range);
      return servedBy(state.name, {
        kind: 'file',
        descriptor: blobDescriptor(digest, blob.size),
        file: blob.slice(start, end),
      });
    },
    async putBlob(repository, target, body, call) {
      const chunks = await readWhole(body, target, call);
      return linkVerified(state, repository, { digest: target.digest, blob: new Blob(chunks) });
    },
    async mountBlob(repository, digest, options, call) {
      const source = await findReadable(state, repository, digest, options);
      if (!source) return { kind: 'upload', upload: await startUpload(repository, {}, call) };
      ensureRepository(state, repository).blobs.set(digest, source);
      return { kind: 'mounted', descriptor: { digest, size: source.size } };
    },
    async deleteBlob(repository, digest) {
      if (!repositoryOf(state, repository).blobs.delete(digest)) throw blobUnknown(repository, digest);
    },
  };
}

type Unverified = { readonly digest: Digest; readonly blob: Blob };

/** Makes a blob part of a repository once its bytes are what the digest says. Throws DIGEST_INVALID. */
export async function linkVerified(state: MemoryState, repository: RepositoryName, { digest, blob }: Unverified) {
  const actual = digestOf(new Uint8Array(await blob.arrayBuffer()), algorithmOf(digest));
  if (actual !== digest) throw digestMismatch(digest, actual);
  ensureRepository(state, repository).blobs.set(digest, blob);
  return blobDescriptor(digest, blob.size);
}

async function readWhole(body: ByteSource, target: BlobTarget, call: Call): Promise<Uint8Array<ArrayBuffer>[]> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let sizeBytes = 0;
  for await (const chunk of chunksOf(body)) {
    call.signal?.throwIfAborted();
    chunks.push(new Uint8Array(chunk));
    sizeBytes += chunk.byteLength;
  }
  if (target.size !== undefined && target.size !== sizeBytes) throw sizeMismatch(target.size, sizeBytes);
  return chunks;
}

async function findReadable(
  state: MemoryState,
  into: RepositoryName,
  digest: Digest,
  options: MountOptions,
): Promise<Blob | undefined> {
  const { from, mayRead } = options;
  const names = from === undefined ? [into, ...state.repositories.keys()] : [from];
  for (const name of names) {
    const blob = state.repositories.get(name)?.blobs.get(digest);
    if (blob && (await mayRead(name))) return blob;
  }
  return undefined;
}
