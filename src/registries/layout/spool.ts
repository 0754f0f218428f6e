import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { algorithmOf, createHasher, type Digest } from '#core/oci';
import { digestMismatch } from '#core/registry';
import { type ByteSource, chunksOf } from '#core/std';
import { moveInto, removeFile, storageErrors, syncFolder } from './files.ts';
import { blobPath } from './index-file.ts';

/** A blob on its way into a folder: a file beside the others that nobody looks at until its digest is known. */
export type Spool = {
  readonly sizeBytes: number;
  /** Throws INSUFFICIENT_STORAGE. What arrived before a failure stays, up to `sizeBytes`. */
  append(body: ByteSource, signal: AbortSignal | undefined): Promise<void>;
  /** Makes it the blob `digest`. Throws DIGEST_INVALID, INSUFFICIENT_STORAGE. The spool is gone either way. */
  commit(digest: Digest): Promise<void>;
  discard(): Promise<void>;
};

export async function openSpool(root: string): Promise<Spool> {
  const path = join(root, 'blobs', `${crypto.randomUUID()}.tmp`);
  const file = await storageErrors(async () => {
    await mkdir(dirname(path), { recursive: true });
    return await open(path, 'wx+');
  });
  // Nearly all digests are sha256; another one is worked out over the file when its turn comes.
  const hasher = createHasher('sha256');
  let sizeBytes = 0;
  const discard = async () => {
    await file.close();
    await removeFile(path);
  };
  const verify = async (digest: Digest) => {
    const actual = algorithmOf(digest) === 'sha256' ? hasher.digest() : await digestOfFile(path, digest);
    if (actual !== digest) throw digestMismatch(digest, actual);
  };
  return {
    get sizeBytes() {
      return sizeBytes;
    },
    async append(body, signal) {
      for await (const chunk of chunksOf(body)) {
        signal?.throwIfAborted();
        await storageErrors(() => writeAt(file, chunk, sizeBytes));
        hasher.update(chunk);
        sizeBytes += chunk.byteLength;
      }
    },
    discard,
    async commit(digest) {
      try {
        // A chunk that failed halfway may have left bytes behind the end.
        await file.truncate(sizeBytes);
        await verify(digest);
        await storageErrors(async () => {
          await file.sync();
          await putInPlace(root, path, digest);
        });
        await file.close();
      } catch (thrown) {
        await discard();
        throw thrown;
      }
    },
  };
}

async function putInPlace(root: string, temporary: string, digest: Digest): Promise<void> {
  const target = join(root, blobPath(digest));
  const created = await mkdir(dirname(target), { recursive: true });
  await moveInto(temporary, target);
  if (created !== undefined) await syncFolder(dirname(dirname(target)));
}

async function writeAt(file: FileHandle, chunk: Uint8Array, offset: number): Promise<void> {
  let written = 0;
  while (written < chunk.byteLength) {
    const left = chunk.byteLength - written;
    written += (await file.write(chunk, written, left, offset + written)).bytesWritten;
  }
}

async function digestOfFile(path: string, expected: Digest): Promise<Digest> {
  const hasher = createHasher(algorithmOf(expected));
  for await (const chunk of chunksOf(Bun.file(path).stream())) hasher.update(chunk);
  return hasher.digest();
}
