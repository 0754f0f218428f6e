/** Bounds of a store. Each is a number with its reason; tests make them small. */
export type StoreLimits = {
  /** Manifests' bytes kept in memory: some ten thousand of usual size. */
  readonly manifestCacheBytes: number;
  /** Names and digests that resolve without asking the catalog: some hundred thousand. */
  readonly referenceCacheBytes: number;
  /** Uploads under way: each holds a hash state and a file. Beyond it: TOOMANYREQUESTS. */
  readonly uploads: number;
  /** An upload untouched for this long is dropped: a client that comes back tomorrow may go on. */
  readonly uploadIdleMs: number;
  /** What is kept of downloads that broke off: an image or two of the largest, for whoever asks again. */
  readonly keptPartBytes: number;
  /** A broken download that nobody asked for again in a week is of no use. */
  readonly keptPartMs: number;
  /**
   * Bytes between two syncs of a growing part: as much as a power cut may take of it. Syncing on the way also leaves
   * little to sync at the end, when readers wait for the last bytes.
   */
  readonly partSyncBytes: number;
  /** The largest blob taken: layers with models in them reach tens of gigabytes. */
  readonly blobBytes: number;
  /** Repositories asked about for one mount without `from`; a base layer may be in thousands. */
  readonly mountCandidates: number;
  /** Entries of history kept for a tag. */
  readonly historyPerTag: number;
};

export const DEFAULT_STORE_LIMITS: StoreLimits = {
  manifestCacheBytes: 32 * 1024 * 1024,
  referenceCacheBytes: 16 * 1024 * 1024,
  uploads: 4096,
  uploadIdleMs: 24 * 60 * 60 * 1000,
  keptPartBytes: 20 * 1024 ** 3,
  keptPartMs: 7 * 24 * 60 * 60 * 1000,
  partSyncBytes: 32 * 1024 * 1024,
  blobBytes: 256 * 1024 ** 3,
  mountCandidates: 1000,
  historyPerTag: 100,
};
