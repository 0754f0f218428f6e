import type { Digest, ManifestReference, Platform, RepositoryName, TagName } from '#core/oci';
import type { Clock } from '#core/std';
import type { Call, Registry } from '../types.ts';
import type { CopyError } from './error.ts';

/** A registry with the name by which people and records know it: a host, a namespace, a folder. */
export type CopyEndpoint = { readonly name: string; readonly registry: Registry };

/** Where one image goes: it gets these tags there, or none (then it is found by digest). */
export type CopyTarget = {
  readonly destination: CopyEndpoint;
  readonly repository: RepositoryName;
  readonly tags: readonly TagName[];
};

/** One image to be copied to each of its targets. */
export type CopyRequest = {
  readonly repository: RepositoryName;
  readonly reference: ManifestReference;
  /** Children of the index to be copied; the index itself stays as it is. Absent or empty: all. */
  readonly platforms?: readonly Platform[];
  readonly targets: readonly CopyTarget[];
};

/** What was seen hanging on an image: compared by the next run to find news at an unchanged digest. */
export type Companions = {
  /** Referrers of the image itself that the source's referrers API lists. */
  readonly referrers: readonly Digest[];
  /** Tags made of a digest (cosign's, and the referrers fallback) of any manifest of the image. */
  readonly tags: Readonly<Record<string, Digest>>;
};

export type CopyTotals = {
  readonly manifests: number;
  readonly blobsUploaded: number;
  readonly blobsMounted: number;
  /** Known from earlier in the run: no request was made. */
  readonly blobsSkipped: number;
  readonly bytesUploaded: number;
};

export type TargetResult = {
  readonly target: CopyTarget;
  readonly totals: CopyTotals;
  /** Absent when everything is there, tags included. */
  readonly error?: CopyError;
};

export type CopyOutcome = {
  readonly digest: Digest;
  readonly mediaType: string;
  /** Every manifest of the image and of what hangs on it. */
  readonly manifests: readonly Digest[];
  readonly companions: Companions;
  /** One a target, in the order of the request. */
  readonly results: readonly TargetResult[];
};

type At = { readonly destination: string; readonly repository: RepositoryName };
/** `image` is the one that the blob is on its way for: one that several share counts for the first. */
type OfBlob = {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly image: { readonly repository: RepositoryName; readonly digest: Digest };
};

/**
 * Progress, as it happens. `planned` comes first for an image and knows its own content; `planned-more` follows where
 * something hangs on it, with the sums of both.
 */
export type CopyEvent =
  | {
      readonly kind: 'planned' | 'planned-more';
      readonly repository: RepositoryName;
      readonly reference: ManifestReference;
      readonly digest: Digest;
      readonly manifests: number;
      readonly blobs: number;
      /** Of distinct blobs; how much of it moves depends on what the destinations have. */
      readonly bytes: number;
    }
  | ({ readonly kind: 'blob-started' } & At & OfBlob)
  | ({ readonly kind: 'blob-progress'; readonly bytes: number } & At & OfBlob)
  | ({ readonly kind: 'blob-done' | 'blob-mounted' | 'blob-skipped' } & At & OfBlob)
  | ({ readonly kind: 'manifest-done'; readonly digest: Digest; readonly tags: readonly TagName[] } & At)
  | {
      readonly kind: 'warning';
      readonly registry: string;
      readonly repository: RepositoryName;
      readonly message: string;
    }
  | ({ readonly kind: 'failed'; readonly error: CopyError } & At);

/** What earlier runs found out, and where this one tells its news. All of it only saves requests. */
export type CopyKnowledge = {
  /** Whether the source keeps referrers lists in this repository; undefined: find out. */
  sourceReferrers?(repository: RepositoryName): Promise<boolean | undefined>;
  learnedSourceReferrers?(repository: RepositoryName, present: boolean): Promise<void>;
  /** A repository of the destination that held the blob when it was last looked at. */
  blobHome?(destination: string, digest: Digest): Promise<RepositoryName | undefined>;
};

export type CopyLimits = {
  /** Blobs on their way at once. */
  readonly blobs: number;
  /** Requests for manifests and lists at once, on each side. */
  readonly lookups: number;
  /** Pages of tags read to find signatures; beyond them each candidate tag is asked for. */
  readonly tagPages: number;
  /** Bytes that wait for one destination of several. */
  readonly bufferBytes: number;
  /** A destination that takes nothing for so long with a full buffer is left behind, and served on its own later. */
  readonly stallMs: number;
  /** Tries of one blob or manifest at one destination. */
  readonly attempts: number;
  /** Wait before the second try; doubles. */
  readonly retryDelayMs: number;
};

/** Settings whose reasons hold for every run; a caller changes what it has a reason for. */
export const COPY_LIMITS: CopyLimits = {
  // Enough to hide round trips of 50 ms; more only splits the same bandwidth. Fewer than a client's connections
  // to one host (8), so that manifests need not wait for layers.
  blobs: 7,
  lookups: 8,
  // 10,000 tags: asking for the (four) candidates is cheaper from there on.
  tagPages: 10,
  // A few reads of a socket: smooths jitter between destinations. More was no faster and showed in peak memory.
  bufferBytes: 256 * 1024,
  // A registry whose disk stutters comes back within seconds.
  stallMs: 20_000,
  attempts: 3,
  retryDelayMs: 500,
};

export type CopyRunOptions = {
  readonly source: CopyEndpoint;
  /** Who copies. Its signal ends the run: uploads that were begun are cancelled. */
  readonly call: Call;
  readonly clock: Clock;
  readonly onEvent?: (event: CopyEvent) => void;
  readonly known?: CopyKnowledge;
  readonly limits?: Partial<CopyLimits>;
};
