import { join } from 'node:path';
import type { Digest, RepositoryName } from '#core/oci';
import type { Evicted, Eviction } from '#core/registry';
import { type EvictArgs, evictUnit } from './catalog/evict.ts';
import { isAvailable } from './catalog/read.ts';
import { readUnitTags, readUsed, type UseCursor, type UsedRow } from './catalog/space-read.ts';
import type { StoreContext } from './context.ts';
import { READ_DRAIN_MS } from './gc.ts';
import { cacheUsage, type LooseBlob } from './space.ts';

/** Rows looked at in one go. */
const PAGE_ROWS = 500;
/** Blobs that no manifest names, remembered of one walk: the oldest; others wait for the next eviction. */
const MAX_LOOSE = 1000;
/** Files waiting to be removed together, so that readers are waited for once. */
const REMOVED_TOGETHER = 1000;

/** What can go, with the time of its last use. */
type Candidate = {
  readonly repository: number;
  readonly name: RepositoryName;
  readonly unit: EvictArgs['unit'];
  readonly usedAtMs: number;
};

/**
 * Drops what hangs together, the longest unused first, until no more is held than wanted: each in a transaction of its
 * own, in which a use since then wins. Files go as gc takes them: when running answers have them open, by the trash.
 */
export async function evict(context: StoreContext, namespace: RepositoryName, eviction: Eviction): Promise<Evicted> {
  const loose: LooseBlob[] = [];
  const usage = await cacheUsage(context, namespace, (blob) => keepOldest(loose, blob));
  const evicted = { bytes: 0, manifests: 0, blobs: 0 };
  const files = createRemovals(context);
  const isEnough = () => usage.bytes - evicted.bytes <= eviction.targetBytes;
  if (isEnough()) return evicted;
  loose.sort((left, right) => left.usedAtMs - right.usedAtMs);
  try {
    for await (const candidate of candidates(context, namespace, loose)) {
      if (await isPinned(context, candidate, eviction)) continue;
      const gone = await drop(context, namespace, candidate);
      evicted.bytes += gone.bytes;
      evicted.manifests += gone.manifestCount;
      evicted.blobs += gone.blobCount;
      files.add(gone.unlinked);
      if (isEnough()) break;
    }
  } finally {
    // What was dropped is gone from the catalog, whatever ended the eviction.
    await files.end();
  }
  return evicted;
}

function keepOldest(loose: LooseBlob[], blob: LooseBlob): void {
  loose.push(blob);
  if (loose.length < 2 * MAX_LOOSE) return;
  loose.sort((left, right) => left.usedAtMs - right.usedAtMs);
  loose.length = MAX_LOOSE;
}

/** Manifests that hang on nothing, and blobs that no manifest names, by the time of their last use. */
async function* candidates(
  context: StoreContext,
  namespace: RepositoryName,
  loose: readonly LooseBlob[],
): AsyncGenerator<Candidate> {
  let nextLoose = 0;
  function* looseUntil(usedAtMs: number): Generator<Candidate> {
    for (let blob = loose[nextLoose]; blob && blob.usedAtMs <= usedAtMs; blob = loose[++nextLoose]) {
      yield { repository: blob.repository, name: blob.name, unit: { blob: blob.blob }, usedAtMs: blob.usedAtMs };
    }
  }
  for await (const row of usedRows(context)) {
    if (row.hangs === 1 || !isWithin(namespace, row.name)) continue;
    yield* looseUntil(row.used_at_ms);
    const { repository_id: repository, name, used_at_ms: usedAtMs } = row;
    yield { repository, name, unit: { manifest: row.manifest_id }, usedAtMs };
  }
  yield* looseUntil(Number.POSITIVE_INFINITY);
}

async function* usedRows({ database, clock }: StoreContext): AsyncGenerator<UsedRow> {
  for (let after: UseCursor = { used_at_ms: -1, repository_id: 0, manifest_id: 0 }; ; ) {
    const rows = await readUsed(database, after, PAGE_ROWS);
    yield* rows;
    const last = rows.at(-1);
    if (!last) return;
    after = last;
    await clock.sleep(0);
  }
}

function isWithin(namespace: RepositoryName, name: RepositoryName): boolean {
  return name === namespace || name.startsWith(`${namespace}/`);
}

async function isPinned({ database }: StoreContext, candidate: Candidate, eviction: Eviction): Promise<boolean> {
  const { repository, name, unit } = candidate;
  const tags = 'manifest' in unit ? await readUnitTags(database, repository, unit.manifest) : [];
  return (tags.length === 0 ? [undefined] : tags).some((tag) => eviction.isPinned(name, tag));
}

async function drop(context: StoreContext, namespace: RepositoryName, candidate: Candidate) {
  const { repository, name, unit, usedAtMs } = candidate;
  const args: EvictArgs = { namespace, repository, unit, usedAtMs, nowMs: context.clock.now() };
  const write = () => context.database.write(evictUnit, args);
  if ('blob' in unit) return await write();
  return await context.cache.change(name, write, ({ manifests, tags }) => [...manifests, ...(tags as never[])]);
}

/** Takes files away once the answers that were given before have opened them; eviction goes on meanwhile. */
function createRemovals(context: StoreContext) {
  let waiting: Digest[] = [];
  const batches: Promise<void>[] = [];
  const remove = async (digests: readonly Digest[]) => {
    await context.clock.sleep(READ_DRAIN_MS);
    for (const digest of digests) await removeFile(context, digest);
  };
  const startBatch = () => {
    if (waiting.length === 0) return;
    const batch = remove(waiting);
    waiting = [];
    // Its failure is met at the end.
    batch.catch(() => {});
    batches.push(batch);
  };
  return {
    add(digests: readonly Digest[]) {
      waiting.push(...digests);
      if (waiting.length >= REMOVED_TOGETHER) startBatch();
    },
    async end() {
      startBatch();
      await Promise.all(batches);
    },
  };
}

/** In its digest's turn: a download that brings it again comes before or after. */
async function removeFile(context: StoreContext, digest: Digest): Promise<void> {
  const { fs, layout, database, blobTurns } = context;
  const trashed = join(layout.trash, digest.replace(':', '-'));
  const wasMoved = await blobTurns.run(digest, async () => {
    if (await isAvailable(database, digest)) return false;
    if (!(await fs.stat(layout.blob(digest)))) return false;
    await fs.rename(layout.blob(digest), trashed);
    return true;
  });
  if (wasMoved) await fs.unlink(trashed);
}
