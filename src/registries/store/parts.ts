import { join } from 'node:path';
import { type Digest, RegistryError, tryParseDigest } from '#core/oci';
import type { Part, PartFact, PartStore } from '#core/registry';
import type { StoreContext } from './context.ts';
import { partOf } from './part.ts';
import type { PartFile } from './part-bytes.ts';
import { storing } from './storage-error.ts';

/** What the store knows of a part: `durableBytes` of it outlive a power cut, and stand in its file's name. */
export type KnownPart = {
  readonly digest: Digest;
  readonly durableBytes: number;
  readonly touchedAtMs: number;
  readonly isHeld: boolean;
};

/** Parts in `parts/`, in the order in which they were let go of. */
export function partStore(context: StoreContext): PartStore {
  const { parts } = context;
  return {
    open: (digest) => storing(() => open(context, digest)),
    list: async () => listOf(context),
    remove: (digest) =>
      storing(async () => {
        const known = parts.get(digest);
        if (known?.isHeld) throw partHeld(digest);
        if (known) await removeKept(context, known);
      }),
  };
}

function listOf({ parts }: StoreContext): PartFact[] {
  return [...parts.values()]
    .filter(({ isHeld }) => !isHeld)
    .map(({ digest, durableBytes, touchedAtMs }) => ({ digest, sizeBytes: durableBytes, touchedAtMs }));
}

async function open(context: StoreContext, digest: Digest): Promise<Part> {
  const { parts, clock } = context;
  const known = parts.get(digest);
  if (known?.isHeld) throw partHeld(digest);
  const put = (durableBytes: number, isHeld: boolean) => {
    // Anew, to stand last.
    parts.delete(digest);
    if (durableBytes > 0 || isHeld) parts.set(digest, { digest, durableBytes, touchedAtMs: clock.now(), isHeld });
  };
  const forget = () => parts.delete(digest);
  const keptBytes = known?.durableBytes ?? 0;
  put(keptBytes, true);
  try {
    const part = await openPartFile(context, digest, keptBytes);
    return partOf(context, part, { keep: (durableBytes) => put(durableBytes, false), forget });
  } catch (thrown) {
    put(keptBytes, false);
    throw thrown;
  }
}

/** Bytes beyond those that are surely on disk are cut off. */
async function openPartFile({ fs, layout }: StoreContext, digest: Digest, keptBytes: number): Promise<PartFile> {
  const keptPath = layout.part(digest, keptBytes);
  // Somebody may have removed or cut it.
  const isWhole = keptBytes > 0 && ((await fs.stat(keptPath))?.sizeBytes ?? 0) >= keptBytes;
  if (keptBytes > 0 && !isWhole) await fs.unlink(keptPath);
  const durableBytes = isWhole ? keptBytes : 0;
  const path = layout.part(digest, durableBytes);
  const file = await fs.openFile(path);
  try {
    await file.truncate(durableBytes);
    return { digest, file, path, durableBytes, reader: await fs.openRead(path) };
  } catch (thrown) {
    await file.close();
    throw thrown;
  }
}

async function removeKept({ fs, layout, parts }: StoreContext, { digest, durableBytes }: KnownPart): Promise<void> {
  parts.delete(digest);
  await fs.unlink(layout.part(digest, durableBytes));
}

/** At start: takes up what earlier processes left, and removes what cannot be trusted. */
export async function findParts(context: StoreContext): Promise<void> {
  const { fs, layout, parts } = context;
  const found: KnownPart[] = [];
  for (const name of await fs.list(layout.parts)) {
    const part = await partOfFile(context, name);
    if (part) found.push(part);
    else await fs.unlink(join(layout.parts, name));
  }
  for (const part of found.sort((left, right) => left.touchedAtMs - right.touchedAtMs)) {
    const other = parts.get(part.digest);
    const less = other && other.durableBytes < part.durableBytes ? other : part;
    if (other) await fs.unlink(layout.part(less.digest, less.durableBytes));
    if (less !== part || !other) parts.set(part.digest, part);
  }
  await boundParts(context);
}

async function partOfFile({ fs, layout }: StoreContext, name: string): Promise<KnownPart | undefined> {
  const [, algorithm, digits, length] = /^(sha256|sha512)-([0-9a-f]+)\.([1-9][0-9]*)$/.exec(name) ?? [];
  const digest = tryParseDigest(`${algorithm}:${digits}`);
  const facts = await fs.stat(join(layout.parts, name));
  const durableBytes = Number(length);
  if (!digest || !facts || facts.sizeBytes < durableBytes) return undefined;
  return { digest, durableBytes, touchedAtMs: facts.modifiedMs, isHeld: false };
}

/** Removes parts that nobody took up again: the oldest beyond the bytes that may be kept, and what is too old. */
export async function boundParts(context: StoreContext): Promise<void> {
  const { keptPartBytes, keptPartMs } = context.limits;
  let keptBytes = 0;
  for (const part of [...context.parts.values()].toReversed()) {
    if (part.isHeld) continue;
    keptBytes += part.durableBytes;
    if (keptBytes <= keptPartBytes && context.clock.now() - part.touchedAtMs <= keptPartMs) continue;
    // Looked at again: somebody may have taken it up while others were removed.
    if (context.parts.get(part.digest) === part) await removeKept(context, part);
  }
}

function partHeld(digest: Digest): RegistryError {
  return new RegistryError('INTERNAL', `somebody else holds the part of ${digest}`);
}
