import {
  algorithmOf,
  createHasher,
  type Digest,
  type DigestHasher,
  RegistryError,
  type RepositoryName,
} from '#core/oci';
import { type ByteStream, streamFrom } from '#core/std';
import { digestMismatch, sizeMismatch } from '../answer.ts';
import type { Part, PartStore } from '../cache-store.ts';
import { blobDescriptor, ensureRepository, findBlob, type MemoryState } from './state.ts';

/** Bytes of one blob on their way in. They are shared with readers, who outlive the part. */
type Bytes = {
  readonly digest: Digest;
  readonly chunks: { readonly start: number; readonly bytes: Uint8Array }[];
  readonly hasher: DigestHasher;
  sizeBytes: number;
  touchedAtMs: number;
  isHeld: boolean;
};

export type Uses = {
  /** A time that never stands still. */
  tick(): number;
  use(repository: RepositoryName, digest: Digest): void;
};

/** Parts, whose bytes are kept between `close` and the next `open`. */
export function memoryParts(state: MemoryState, { tick, use }: Uses): PartStore {
  const kept = new Map<Digest, Bytes>();
  const begin = (digest: Digest): Bytes => {
    const hasher = createHasher(algorithmOf(digest));
    return { digest, chunks: [], hasher, sizeBytes: 0, touchedAtMs: tick(), isHeld: false };
  };
  return {
    async open(digest) {
      const bytes = kept.get(digest) ?? begin(digest);
      if (bytes.isHeld) throw partHeld(digest);
      bytes.isHeld = true;
      kept.set(digest, bytes);
      return partOf(state, bytes, {
        keep: () => {
          bytes.isHeld = false;
          bytes.touchedAtMs = tick();
          if (bytes.sizeBytes === 0) kept.delete(digest);
        },
        forget: () => kept.delete(digest),
        use,
      });
    },
    async list() {
      return [...kept.values()]
        .filter(({ isHeld }) => !isHeld)
        .sort((left, right) => left.touchedAtMs - right.touchedAtMs)
        .map(({ digest, sizeBytes, touchedAtMs }) => ({ digest, sizeBytes, touchedAtMs }));
    },
    async remove(digest) {
      if (kept.get(digest)?.isHeld) throw partHeld(digest);
      kept.delete(digest);
    },
  };
}

type Ends = Pick<Uses, 'use'> & { keep(): void; forget(): void };

function partOf(state: MemoryState, bytes: Bytes, { keep, forget, use }: Ends): Part {
  const { digest } = bytes;
  let isOver = false;
  let isReadable = true;
  const end = (then: () => void) => {
    if (isOver) return;
    isOver = true;
    isReadable = false;
    then();
  };
  return {
    digest,
    get offset() {
      return bytes.sizeBytes;
    },
    async append(chunk) {
      if (isOver) throw partOver(digest);
      bytes.chunks.push({ start: bytes.sizeBytes, bytes: chunk.slice() });
      bytes.hasher.update(chunk);
      bytes.sizeBytes += chunk.byteLength;
    },
    read(range) {
      if (!isReadable) throw partOver(digest);
      return rangeOf(bytes, range);
    },
    async commit(repositories, sizeBytes, onRight) {
      if (isOver) throw partOver(digest);
      end(forget);
      if (bytes.sizeBytes !== sizeBytes) throw sizeMismatch(sizeBytes, bytes.sizeBytes);
      const actual = bytes.hasher.digest();
      if (actual !== digest) throw digestMismatch(digest, actual);
      onRight?.();
      isReadable = true;
      const blob = findBlob(state, digest) ?? new Blob(bytes.chunks.map((chunk) => new Uint8Array(chunk.bytes)));
      for (const name of repositories) {
        ensureRepository(state, name).blobs.set(digest, blob);
        use(name, digest);
      }
      return blobDescriptor(digest, sizeBytes);
    },
    close: async () => end(keep),
    discard: async () => end(forget),
  };
}

function rangeOf(
  { chunks, sizeBytes, digest }: Bytes,
  range: { readonly start: number; readonly end: number },
): ByteStream {
  const { start, end } = range;
  if (start < 0 || start > end || end > sizeBytes) {
    throw new RegistryError('INTERNAL', `bytes ${start} to ${end} of ${digest} are not here: it has ${sizeBytes}`);
  }
  return streamFrom(
    (async function* () {
      for (const chunk of chunks) {
        const from = Math.max(start - chunk.start, 0);
        const to = Math.min(end - chunk.start, chunk.bytes.byteLength);
        if (from < to) yield chunk.bytes.slice(from, to);
      }
    })(),
  );
}

function partHeld(digest: Digest): RegistryError {
  return new RegistryError('INTERNAL', `somebody else holds the part of ${digest}`);
}

function partOver(digest: Digest): RegistryError {
  return new RegistryError('INTERNAL', `the part of ${digest} is not held any more`);
}
