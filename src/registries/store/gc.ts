import type { Digest, RepositoryName } from '#core/oci';
import { dropBlobs, dropLinks, dropUntagged, type LinkPair, trimHistory } from './catalog/gc.ts';
import {
  type LinkRow,
  readBlobPage,
  readLinkPage,
  readLongHistories,
  readRepositoryPage,
  readUntagged,
} from './catalog/gc-read.ts';
import { type StoreContext, seenKey } from './context.ts';
import { countOrphans, emptyTrash, trashOrphans } from './orphan.ts';
import { boundParts } from './parts.ts';

export type GcOptions = {
  /** What is younger is left alone: it may belong to a push that has not ended. Milliseconds. */
  readonly graceMs?: number;
  /** Take untagged manifests too (not children of an index, nor referrers, of one that is kept, nor what a cache keeps). Default: they stay. */
  readonly untagged?: boolean;
  readonly signal?: AbortSignal;
};

/** Bytes are of content. Of files: those that a crash left without a row in the catalog. */
export type GcPlan = {
  readonly manifests: number;
  readonly blobLinks: number;
  readonly blobs: number;
  readonly blobBytes: number;
  readonly orphanFiles: number;
  readonly orphanBytes: number;
};
export type GcReport = {
  readonly manifests: number;
  readonly blobLinks: number;
  readonly blobs: number;
  /** Files removed, of these blobs and of earlier crashes, and their bytes. */
  readonly files: number;
  readonly fileBytes: number;
};

/** The slowest pushes of large images last hours; a day leaves room for a pipeline that is retried tomorrow. */
export const DEFAULT_GRACE_MS = 24 * 60 * 60 * 1000;
/** Rows looked at in one go: some milliseconds, between which requests are served. */
const PAGE_ROWS = 1000;
/** Repositories have much of their own to look at. */
const REPOSITORIES_PAGE = 100;
/** An answer given just before a blob was dropped has opened its file by then. */
export const READ_DRAIN_MS = 2_000;

/** What a run would reclaim now. Blobs that only untagged manifests name are found by the run itself. */
export async function gcPlan(context: StoreContext, options: GcOptions): Promise<GcPlan> {
  const beforeMs = context.clock.now() - (options.graceMs ?? DEFAULT_GRACE_MS);
  const plan = { manifests: 0, blobLinks: 0, blobs: 0, blobBytes: 0 };
  if (options.untagged) {
    await eachRepositoryPage(context, options.signal, async (repositories) => {
      for (const { id } of repositories) {
        plan.manifests += (await readUntagged(context.database, id, beforeMs)).length;
        await pause(context, options.signal);
      }
    });
  }
  await eachLinkPage(context, options.signal, async (rows) => {
    plan.blobLinks += rows.filter((row) => isLoose(context, row, beforeMs)).length;
  });
  await eachBlobPage(context, { beforeMs, signal: options.signal }, async (rows) => {
    for (const row of rows) {
      if (row.unlinked === 0 && row.loose === 0) continue;
      if (row.available === 0) continue;
      plan.blobs++;
      plan.blobBytes += row.size_bytes;
    }
  });
  const orphans = await countOrphans(context, beforeMs);
  return { ...plan, orphanFiles: orphans.files, orphanBytes: orphans.bytes };
}

/**
 * Reclaims in steps that each leave a consistent store: links, then rows, then (when running answers have their
 * files open) files. What is dropped is decided inside the writer's transaction, so a push or mount wins or comes after.
 */
export async function gcRun(context: StoreContext, options: GcOptions): Promise<GcReport> {
  const beforeMs = context.clock.now() - (options.graceMs ?? DEFAULT_GRACE_MS);
  const report = { manifests: 0, blobLinks: 0, blobs: 0 };
  await eachRepositoryPage(context, options.signal, async (repositories) => {
    await trimHistories(context, repositories);
    for (const { id, name } of options.untagged ? repositories : []) {
      options.signal?.throwIfAborted();
      report.manifests += await dropUntaggedOf(context, { id, name, beforeMs });
    }
  });
  await eachLinkPage(context, options.signal, async (rows) => {
    report.blobLinks += await dropLoose(context, rows, beforeMs);
  });
  await eachBlobPage(context, { beforeMs, signal: options.signal }, async (rows) => {
    const ids = rows.filter((row) => row.unlinked === 1).map((row) => row.id);
    if (ids.length > 0) report.blobs += (await context.database.write(dropBlobs, { ids, beforeMs })).length;
  });
  await boundParts(context);
  if (report.blobs > 0) await context.clock.sleep(READ_DRAIN_MS, options.signal);
  await trashOrphans(context, beforeMs, options.signal);
  const removed = await emptyTrash(context);
  return { ...report, files: removed.files, fileBytes: removed.bytes };
}

type UntaggedOf = { readonly id: number; readonly name: RepositoryName; readonly beforeMs: number };

async function dropUntaggedOf(context: StoreContext, { id, name, beforeMs }: UntaggedOf): Promise<number> {
  const untagged = (await readUntagged(context.database, id, beforeMs)).map(({ digest }) => digest);
  const wasAsked = (digest: Digest) => isAsked(context, seenKey(name, digest), beforeMs);
  const asked = untagged.filter(wasAsked);
  const candidates = untagged.filter((digest) => !wasAsked(digest));
  if (candidates.length === 0) return 0;
  const args = { repositoryId: id, beforeMs, candidates, asked };
  const keys = candidates.map((digest) => seenKey(name, digest));
  const drop = () => announced(context, keys, context.database.write(dropUntagged, args));
  return (await context.cache.change(name, drop, (dropped) => dropped)).length;
}

/** Somebody was told that it is here, and may be about to push what needs it. */
function isAsked({ seen }: StoreContext, key: string, beforeMs: number): boolean {
  return (seen.get(key) ?? Number.NEGATIVE_INFINITY) > beforeMs;
}

function isLoose(context: StoreContext, row: LinkRow, beforeMs: number): boolean {
  if (row.referenced === 1 || row.linked_at_ms > beforeMs) return false;
  return !isAsked(context, seenKey(row.name, row.digest), beforeMs);
}

async function dropLoose(context: StoreContext, rows: readonly LinkRow[], beforeMs: number): Promise<number> {
  const loose = rows.filter((row) => isLoose(context, row, beforeMs));
  if (loose.length === 0) return 0;
  const pairs: LinkPair[] = loose.map(({ repository_id, blob_id }) => ({ repository_id, blob_id }));
  const keys = loose.map((row) => seenKey(row.name, row.digest));
  return await announced(context, keys, context.database.write(dropLinks, { pairs, beforeMs }));
}

/** Whoever asks about one of these meanwhile waits for the outcome instead of hearing "it is here". */
async function announced<T>({ dropping }: StoreContext, keys: readonly string[], outcome: Promise<T>): Promise<T> {
  for (const key of keys) dropping.set(key, outcome);
  try {
    return await outcome;
  } finally {
    for (const key of keys) dropping.delete(key);
  }
}

/** Lets requests be served between two pages. */
async function pause(context: StoreContext, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  await context.clock.sleep(0, signal);
}

type RepositoryRow = { readonly id: number; readonly name: RepositoryName };

async function trimHistories({ database, limits }: StoreContext, page: readonly RepositoryRow[]): Promise<void> {
  const [first, last] = [page.at(0), page.at(-1)];
  if (!first || !last) return;
  const keep = limits.historyPerTag;
  const tags = await readLongHistories(database, { first: first.id, last: last.id, keep });
  if (tags.length > 0) await database.write(trimHistory, { tags, keep });
}

async function eachRepositoryPage(
  context: StoreContext,
  signal: AbortSignal | undefined,
  visit: (repositories: readonly RepositoryRow[]) => Promise<void>,
): Promise<void> {
  for (let after = 0; ; ) {
    const rows = await readRepositoryPage(context.database, after, REPOSITORIES_PAGE);
    await visit(rows);
    const last = rows.at(-1);
    if (!last) return;
    after = last.id;
    await pause(context, signal);
  }
}

async function eachLinkPage(
  context: StoreContext,
  signal: AbortSignal | undefined,
  visit: (rows: readonly LinkRow[]) => Promise<void>,
): Promise<void> {
  let after: LinkPair = { repository_id: 0, blob_id: 0 };
  while (true) {
    const rows = await readLinkPage(context.database, after, PAGE_ROWS);
    await visit(rows);
    const last = rows.at(-1);
    if (!last) return;
    after = last;
    await pause(context, signal);
  }
}

async function eachBlobPage(
  context: StoreContext,
  { beforeMs, signal }: { readonly beforeMs: number; readonly signal: AbortSignal | undefined },
  visit: (rows: Awaited<ReturnType<typeof readBlobPage>>) => Promise<void>,
): Promise<void> {
  for (let after = 0; ; ) {
    const rows = await readBlobPage(context.database, { after, beforeMs, limit: PAGE_ROWS });
    await visit(rows.filter((row) => row.stored_at_ms <= beforeMs));
    const last = rows.at(-1);
    if (!last) return;
    after = last.id;
    await pause(context, signal);
  }
}
