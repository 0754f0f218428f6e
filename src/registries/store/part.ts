import { algorithmOf, createHasher, type Descriptor, type Digest, type DigestHasher, RegistryError } from '#core/oci';
import { digestMismatch, type Part, sizeMismatch } from '#core/registry';
import { messageOf } from '#core/std';
import { adopt } from './adopt.ts';
import type { StoreContext } from './context.ts';
import { createPartBytes, type PartFile } from './part-bytes.ts';
import { blobTooLarge } from './receive.ts';
import { storing } from './storage-error.ts';

/** Bytes hashed at a time of what is kept: other work goes on in between. */
const REHASH_BYTES = 1024 * 1024;

/** What becomes of the part in the store's books when its holder lets go. */
export type PartEnds = { keep(durableBytes: number): void; forget(): void };

/** A part that somebody holds: its bytes, their hash, and its end. */
export function partOf(context: StoreContext, part: PartFile, ends: PartEnds): Part {
  const { digest } = part;
  const bytes = createPartBytes(context, part);
  const hash = createPartHash(part);
  let isOver = false;
  let isReadable = true;
  /** The first that ends it does; what comes after finds it over. */
  const letGo = (then: () => Promise<void>) =>
    storing(async () => {
      if (isOver) return;
      isOver = true;
      isReadable = false;
      // It reads the file.
      await Promise.allSettled([hash.made]);
      await then();
    });
  return {
    digest,
    get offset() {
      return bytes.offset;
    },
    append: (chunk) =>
      storing(async () => {
        if (isOver) throw partOver(digest);
        const hasher = hash.ready() ?? (await hash.made);
        if (bytes.offset + chunk.byteLength > context.limits.blobBytes) throw blobTooLarge(context.limits.blobBytes);
        const full = bytes.append(chunk);
        hasher.update(chunk);
        if (full !== undefined) await full;
      }),
    read(range) {
      if (!isReadable) throw partOver(digest);
      checkRange(digest, bytes.offset, range);
      return bytes.read(range);
    },
    commit: (repositories, sizeBytes, onRight) =>
      storing(async () => {
        if (isOver) throw partOver(digest);
        isOver = true;
        try {
          await checkWhole(digest, { sizeBytes, actualBytes: bytes.offset, hasher: await hash.made });
        } catch (thrown) {
          isReadable = false;
          await forget(context, part, { bytes, ends });
          throw thrown;
        }
        onRight?.();
        return await become(context, part, { bytes, ends, repositories });
      }),
    close: () => letGo(() => keep(context, part, { bytes, ends })),
    discard: () => letGo(() => forget(context, part, { bytes, ends })),
  };
}

type Held = { readonly bytes: ReturnType<typeof createPartBytes>; readonly ends: PartEnds };

/** Leaves what came for the next holder, as far as it can be put on disk. */
async function keep({ log }: StoreContext, part: PartFile, { bytes, ends }: Held): Promise<void> {
  try {
    await bytes.drain();
    await bytes.checkpoint();
  } catch (thrown) {
    const { digest, durableBytes } = part;
    log.warn('of a part only what is on disk is kept', { digest, durableBytes, why: messageOf(thrown) });
  } finally {
    await bytes.end();
    ends.keep(part.durableBytes);
  }
}

/** Bytes that were found wrong must not come back with a power cut: the folder is synced. */
async function forget({ fs, layout }: StoreContext, part: PartFile, { bytes, ends }: Held): Promise<void> {
  try {
    await bytes.end();
    await fs.unlink(part.path);
    await fs.fsyncDir(layout.parts);
  } finally {
    ends.forget();
  }
}

type Becoming = Held & { readonly repositories: Parameters<Part['commit']>[0] };

async function become(context: StoreContext, part: PartFile, becoming: Becoming): Promise<Descriptor> {
  const { bytes, ends, repositories } = becoming;
  const { digest, file } = part;
  let isStored = false;
  try {
    await bytes.drain();
    const blob = await adopt(context, { repositories, digest, sizeBytes: bytes.offset, file, path: part.path });
    isStored = true;
    return blob;
  } finally {
    await bytes.end();
    // A full disk may have stopped it before the file had its new name: what came is kept.
    const isLeft = !isStored && (await context.fs.stat(part.path)) !== undefined;
    if (isLeft) ends.keep(part.durableBytes);
    else ends.forget();
  }
}

type Whole = { readonly sizeBytes: number; readonly actualBytes: number; readonly hasher: DigestHasher };

/** Throws SIZE_INVALID, DIGEST_INVALID. */
async function checkWhole(digest: Digest, { sizeBytes, actualBytes, hasher }: Whole): Promise<void> {
  if (actualBytes !== sizeBytes) throw sizeMismatch(sizeBytes, actualBytes);
  const actual = hasher.digest();
  if (actual !== digest) throw digestMismatch(digest, actual);
}

/** Hash states cannot be saved: what is kept is hashed again, while readers have it already. */
function createPartHash({ digest, reader, durableBytes }: PartFile) {
  let hasher: DigestHasher | undefined;
  const make = async () => {
    const prefix = createHasher(algorithmOf(digest));
    for (let at = 0; at < durableBytes; ) {
      const bytes = await reader.read(at, Math.min(REHASH_BYTES, durableBytes - at));
      if (bytes.byteLength === 0) throw new RegistryError('INTERNAL', `the part of ${digest} has lost bytes`);
      prefix.update(bytes);
      at += bytes.byteLength;
    }
    hasher = prefix;
    return prefix;
  };
  const made = make();
  // Met by whoever appends or commits.
  made.catch(() => {});
  return { made, ready: () => hasher };
}

function checkRange(
  digest: Digest,
  offset: number,
  { start, end }: { readonly start: number; readonly end: number },
): void {
  if (start >= 0 && start <= end && end <= offset) return;
  throw new RegistryError('INTERNAL', `bytes ${start} to ${end} of ${digest} are not here: it has ${offset}`);
}

function partOver(digest: Digest): RegistryError {
  return new RegistryError('INTERNAL', `the part of ${digest} is not held any more`);
}
