import type { CacheStore } from '#core/registry';
import type { Database } from '#core/sql';
import { type Clock, createSizedCache, type Log } from '#core/std';
import { noteDurableFolders } from './adopt.ts';
import { blobMethods } from './blob.ts';
import { createManifestCache } from './cache.ts';
import type { StoreContext } from './context.ts';
import { diskFs } from './disk-fs.ts';
import { expireUploads, sweepUploads } from './expire.ts';
import type { StoreFolder } from './folder.ts';
import type { StoreFs } from './fs.ts';
import { type GcOptions, type GcPlan, type GcReport, gcPlan, gcRun } from './gc.ts';
import { cacheMethods } from './keep.ts';
import { DEFAULT_STORE_LIMITS, type StoreLimits } from './limits.ts';
import { listExtras, listMethods } from './list.ts';
import { manifestMethods } from './manifest.ts';
import { findParts } from './parts.ts';
import { keepReserve, withReserve } from './reserve.ts';
import { type ScrubOptions, type ScrubReport, scrub } from './scrub.ts';
import { storing } from './storage-error.ts';
import { createTurns } from './turn.ts';
import { noteUpload, uploadMethods } from './upload.ts';
import { type Usage, usageOf } from './usage.ts';
import { createUses } from './use.ts';

export type StoreOptions = {
  /** Locked and checked by `openFolder`; whoever opened it releases it. */
  readonly folder: StoreFolder;
  /** `folder.layout.catalog`, opened with `storeModule`; whoever opened it closes it, after the store. */
  readonly database: Database;
  readonly fs?: StoreFs;
  readonly clock: Clock;
  readonly random: (sizeBytes: number) => Uint8Array;
  readonly log: Log;
  readonly limits?: Partial<StoreLimits>;
  /** Whether an index may name children that are not here. Default true: a mirror copies some platforms only. */
  readonly sparseIndexes?: boolean;
};

/** A Registry in a folder, and what its keeper does. */
export type Store = CacheStore & {
  /** What `gcRun` would reclaim now. Changes nothing. */
  gcPlan(options?: GcOptions): Promise<GcPlan>;
  /** Reclaims what nothing references, while pushes go on. Throws the signal's reason when aborted. */
  gcRun(options?: GcOptions): Promise<GcReport>;
  /** Reads everything again; what is damaged goes to `quarantine/` and is unknown until pushed again. */
  scrub(options?: ScrubOptions): Promise<ScrubReport>;
  usage(): Promise<Usage>;
  /** Drops uploads that nobody has touched for `limits.uploadIdleMs`; how many. */
  expireUploads(): Promise<number>;
  /** Notes the uploads under way, which go on after a restart, and waits for what nobody waited for. */
  close(): Promise<void>;
};

/** Some hundred thousand repository names; beyond, the catalog is asked. */
const REPOSITORY_IDS_BYTES = 8 * 1024 * 1024;
/** Questions about blobs remembered for gc: more than any grace period sees pushes of. */
const SEEN_BYTES = 16 * 1024 * 1024;

/** Opens a store over its folder and catalog, sweeps what a crash left of uploads, and finds the parts that can go on. */
export async function createStore(options: StoreOptions): Promise<Store> {
  const context = contextOf(options);
  // The catalog's files may have been made just now.
  await context.fs.fsyncDir(context.layout.folder);
  await noteDurableFolders(context);
  await sweepUploads(context);
  await findParts(context);
  await keepReserve(context);
  const uploads = uploadMethods(context);
  const uses = createUses(context);
  return {
    ...manifestMethods(context),
    ...blobMethods(context, uploads.startUpload),
    ...uploads,
    ...listMethods(context),
    extras: listExtras(context),
    cache: cacheMethods(context, uses),
    gcPlan: (gcOptions = {}) => gcPlan(context, gcOptions),
    gcRun: (gcOptions = {}) => storing(() => withReserve(context, () => gcRun(context, gcOptions))),
    scrub: (scrubOptions = {}) => storing(() => scrub(context, scrubOptions)),
    usage: () => usageOf(context),
    expireUploads: () => expireUploads(context),
    async close() {
      await uses.close();
      for (const session of context.sessions.values()) noteUpload(context, session);
      while (context.background.size > 0) await Promise.all(context.background);
    },
  };
}

function contextOf(options: StoreOptions): StoreContext {
  const limits = { ...DEFAULT_STORE_LIMITS, ...options.limits };
  return {
    name: 'store',
    layout: options.folder.layout,
    fs: options.fs ?? diskFs(),
    database: options.database,
    clock: options.clock,
    random: options.random,
    log: options.log,
    limits,
    sparseIndexes: options.sparseIndexes ?? true,
    cache: createManifestCache(limits),
    repositoryIds: createSizedCache(REPOSITORY_IDS_BYTES),
    blobTurns: createTurns(),
    seen: createSizedCache(SEEN_BYTES),
    dropping: new Map(),
    sessions: new Map(),
    parts: new Map(),
    durableFolders: new Set(),
    background: new Set(),
  };
}
