import type { Digest, Platform, RepositoryName, TagName } from '#core/oci';
import type { Call, Companions, CopyEvent, CopyLimits, CopyTotals, Registry } from '#core/registry';
import type { AppError, Clock, Log } from '#core/std';
import type { MirrorState } from './state.ts';

/** A place in a registry. `name` is the registry's, the same in every run: records are kept under it. */
export type MirrorEndpoint = {
  readonly name: string;
  readonly registry: Registry;
  /** First part(s) of the repositories' names there; empty: none. */
  readonly prefix: string;
};

/** Which tags. A tag is selected by any of `include` or by `semver`; without both all are. `exclude` wins. */
export type TagRules = {
  /** Exact names, globs, `semver`, `semver:<range>`. */
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  /** A range of versions, `>=1.20 <2`. */
  readonly semver?: string;
};

/** What is wanted: read from the configuration, free of I/O. */
export type MirrorSpec = {
  readonly name: string;
  /** Below the source's prefix: exact names, or globs where the source lists its repositories. */
  readonly repositories: readonly string[];
  readonly tags: TagRules;
  readonly platforms?: readonly Platform[];
  /** Name at a destination below its prefix: `{path}` is the path below the source, `{name}` its last part. */
  readonly rewrite?: string;
};

export type MirrorOptions = {
  readonly source: MirrorEndpoint;
  readonly destinations: readonly MirrorEndpoint[];
  readonly state: MirrorState;
  readonly clock: Clock;
  readonly log: Log;
  /** Who copies; its signal ends the run cleanly. */
  readonly call: Call;
  readonly onEvent?: (event: MirrorEvent) => void;
  /** Looks at the destinations also where the records say that nothing changed. */
  readonly audit?: boolean;
  readonly limits?: Partial<CopyLimits>;
};

/** A selected tag as it stands at the source now. */
export type SourceImage = {
  readonly repository: RepositoryName;
  readonly tag: TagName;
  readonly digest: Digest;
  /** What hangs on it, where a record asked for a comparison. */
  readonly companions?: Companions;
};

/** Why an image is copied; `unchanged` is why it is not. */
export type StepReason = 'new' | 'moved' | 'source' | 'platforms' | 'companions' | 'drift' | 'unchanged';

/** One image at one destination: a decision, made of data alone. */
export type MirrorStep = {
  readonly image: SourceImage;
  readonly destination: MirrorEndpoint;
  readonly repository: RepositoryName;
  readonly tag: TagName;
  readonly action: 'copy' | 'unchanged';
  readonly reason: StepReason;
};

export type ImageResult = {
  readonly source: { readonly registry: string; readonly repository: string; readonly tag: string };
  readonly destination: { readonly registry: string; readonly repository: string; readonly tag: string };
  readonly status: 'copied' | 'unchanged' | 'failed';
  readonly reason?: StepReason;
  readonly digest?: Digest;
  readonly totals?: CopyTotals;
  readonly error?: AppError;
};

/** A repository, or the whole selection, that could not be read. */
export type SelectionProblem = { readonly repository: string; readonly error: AppError };

export type MirrorTotals = {
  readonly copied: number;
  readonly unchanged: number;
  readonly failed: number;
  /** From the source. */
  readonly blobsRead: number;
  readonly bytesRead: number;
  /** To the destinations. */
  readonly blobsUploaded: number;
  readonly blobsMounted: number;
  readonly bytesUploaded: number;
};

export type MirrorResult = {
  readonly mirror: string;
  /** `partly`: something failed and something did not. */
  readonly outcome: 'ok' | 'partly' | 'failed';
  readonly images: readonly ImageResult[];
  readonly problems: readonly SelectionProblem[];
  readonly totals: MirrorTotals;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
};

export type MirrorEvent =
  | { readonly kind: 'selected'; readonly repository: RepositoryName; readonly tags: number }
  | { readonly kind: 'problem'; readonly problem: SelectionProblem }
  | { readonly kind: 'image-done'; readonly result: ImageResult }
  | { readonly kind: 'copy'; readonly event: CopyEvent };
