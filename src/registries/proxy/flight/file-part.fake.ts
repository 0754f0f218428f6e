import { mkdtempSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { algorithmOf, createHasher, type Digest, hexOf, MediaType } from '#core/oci';
import { digestMismatch, type Part, type PartStore, sizeMismatch } from '#core/registry';
import { streamFrom } from '#core/std';

/** Parts in a folder of their own, which `dispose` removes; `readBytes` counts what was read back. */
export function fileParts() {
  const folder = mkdtempSync(join(tmpdir(), 'entrepot-flight-'));
  const counts = { readBytes: 0, committed: 0 };
  const files: FileHandle[] = [];
  const parts: PartStore = {
    async open(digest) {
      const file = await open(join(folder, hexOf(digest)), 'a+');
      files.push(file);
      return filePart(digest, file, counts);
    },
    list: async () => [],
    remove: async () => {},
  };
  const dispose = async () => {
    for (const file of files) await file.close();
    await rm(folder, { recursive: true });
  };
  return { parts, counts, dispose };
}

async function filePart(
  digest: Digest,
  file: FileHandle,
  counts: { readBytes: number; committed: number },
): Promise<Part> {
  const hasher = createHasher(algorithmOf(digest));
  const kept = await file.readFile();
  hasher.update(kept);
  let offset = kept.byteLength;
  async function* bytesOf(start: number, end: number) {
    for (let at = start; at < end; ) {
      const { buffer, bytesRead } = await file.read(new Uint8Array(Math.min(30_000, end - at)), { position: at });
      at += bytesRead;
      counts.readBytes += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }
  return {
    digest,
    get offset() {
      return offset;
    },
    async append(chunk) {
      await file.appendFile(chunk);
      hasher.update(chunk);
      offset += chunk.byteLength;
    },
    read: ({ start, end }) => streamFrom(bytesOf(start, end)),
    async commit(_, sizeBytes) {
      if (offset !== sizeBytes) throw sizeMismatch(sizeBytes, offset);
      const actual = hasher.digest();
      if (actual !== digest) throw digestMismatch(digest, actual);
      counts.committed++;
      return { mediaType: MediaType.octets, digest, size: sizeBytes };
    },
    close: () => file.close(),
    async discard() {
      await file.truncate(0);
      await file.close();
    },
  };
}
