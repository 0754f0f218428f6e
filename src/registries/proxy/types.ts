import type { Descriptor, Digest, ManifestReference, Platform, RepositoryName } from '#core/oci';
import type { BlobAnswer, ByteRange, Call, Lister, Reader, Served } from '#core/registry';

/** How an answer was come by. `denied` is thrown, the others stand in `served.verdict`. */
export type Verdict =
  | 'hit'
  | 'revalidated'
  | 'refreshed'
  | 'miss'
  | 'stale-if-error'
  | 'offline'
  | 'negative'
  | 'denied';

/** How long an answer about a tag (or a list) may be given again. Durations are of time since the upstream was asked. */
export type FreshnessRule = {
  /** Given again without a question. */
  readonly freshForMs: number;
  /** After that, so long: given again at once, while the question is asked in the background. */
  readonly staleWhileRevalidateMs: number;
  /** Given again so long when the upstream does not answer, refuses or limits. */
  readonly staleIfErrorMs: number;
  /** "There is no such thing" is given again so long. */
  readonly negativeForMs: number;
  /** What is here is never asked for again. */
  readonly immutable: boolean;
  /** The upstream is never asked. */
  readonly offline: boolean;
};

export type TagFreshness = Partial<FreshnessRule> & {
  /** Exact name, glob, `semver` or `semver:RANGE`. */
  readonly tags: readonly string[];
};

/** Rules of a proxy namespace. Patterns are globs on the upstream's repository name (`library/redis`). */
export type ProxyRules = {
  readonly freshness: FreshnessRule;
  /** Of several that match a tag the first wins; what it leaves out is as in `freshness`. */
  readonly byTag: readonly TagFreshness[];
  /** Empty: everything. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /** Names that must never be looked for outside: they are ours (dependency confusion). */
  readonly neverUpstream: readonly string[];
  /** Children of an index for other platforms are refused; empty: none is. The index itself stays as it is. */
  readonly platforms: readonly Platform[];
  /** What an upstream's 404 does to a copy that is here: it is served on, as stale, or forgotten. */
  readonly whenDeleted: 'keep' | 'forget';
};

/** An upstream as one namespace uses it: `prefix` stands before every name there. */
export type UpstreamMember = { readonly upstream: Upstream; readonly prefix: string };

/** A registry elsewhere, behind its breaker, quota and limits; shared by all namespaces that read it. */
export type Upstream = {
  readonly host: string;
  /** Throws, besides what a client throws, UPSTREAM_UNAVAILABLE while the breaker is open and TOOMANYREQUESTS at the reserve. */
  readonly reader: Reader & Lister;
  state(): UpstreamState;
  close(): Promise<void>;
};

export type BreakerState = {
  readonly state: 'closed' | 'open' | 'half-open';
  readonly failures: number;
  readonly sinceMs: number;
  /** When the next probe may go, while open. */
  readonly probeAtMs?: number;
  readonly why?: string;
};

/** What an upstream said of one account's limit. Counts as it counts. */
export type Quota = {
  /** The user name, or `anonymous`. */
  readonly account: string;
  readonly limit?: number;
  readonly remaining?: number;
  readonly windowSeconds?: number;
  readonly resetAtMs?: number;
  /** Nothing may be asked before: from Retry-After. */
  readonly blockedUntilMs?: number;
  /** The same for pulls alone: a limit was reached of which nothing said when it ends. What is free to ask goes on. */
  readonly pullsBlockedUntilMs?: number;
  readonly seenAtMs: number;
};

export type UpstreamState = {
  readonly host: string;
  readonly breaker: BreakerState;
  /** Of the accounts whose limits are known. */
  readonly quotas: readonly Quota[];
  /** How many there are. */
  readonly accounts: number;
  /** Below so many pulls only what is here, or free to ask, is served. */
  readonly reservePulls: number;
  readonly requests: number;
  readonly bytes: number;
  /** Manifests fetched, which upstreams count as pulls. */
  readonly pulls: number;
  readonly active: number;
  readonly waiting: number;
};

/** A blob that somebody wants to read while, or before, it is here. */
export type FlightWish = {
  /** Here; linked when the blob has arrived. */
  readonly repository: RepositoryName;
  readonly digest: Digest;
  /** Who has it; a download that breaks goes on at the next. */
  readonly sources: readonly FlightSource[];
  /**
   * Asks the upstream whether this repository has it: called before a download that others began is joined. Throws what
   * the reader is told. Absent: it was asked.
   */
  readonly confirm?: () => Promise<unknown>;
};
export type FlightSource = {
  readonly host: string;
  /** The name there. */
  readonly repository: RepositoryName;
  readonly reader: Pick<Reader, 'getBlob'>;
};

export type FlightFact = {
  readonly digest: Digest;
  readonly repositories: readonly RepositoryName[];
  readonly host: string;
  readonly sizeBytes: number;
  readonly receivedBytes: number;
  readonly readers: number;
  readonly startedAtMs: number;
};

/** Downloads under way, one a digest, shared by all who read. */
export type Flights = {
  /**
   * Joins the flight of a digest or starts it; answers as soon as the size is known, with a body of the range that
   * follows the download. Whoever joins from another repository asks the upstream first whether that has it, and whoever
   * starts it gets nothing of what only the sources of others gave.
   */
  read(wish: FlightWish, range: ByteRange | undefined, call: Call): Promise<Served<BlobAnswer>>;
  /** Downloads without a reader. */
  warm(wish: FlightWish, call: Call): Promise<Descriptor>;
  find(digest: Digest): FlightFact | undefined;
  list(): readonly FlightFact[];
  /** Ends all; what came so far is kept for the next process. */
  close(): Promise<void>;
};

/** What is known of a tag (or of a digest, when negative) of an upstream. Repositories are named as here. */
export type KnownReference = {
  readonly repository: RepositoryName;
  readonly reference: ManifestReference;
  /** Absent: the upstream said that there is none. */
  readonly digest?: Digest;
  /** The upstream was asked, and since when the digest is the same. */
  readonly checkedAtMs: number;
  readonly changedAtMs: number;
  readonly upstream: string;
  /** Of the manifest, which may not be here: somebody asked for its digest alone. */
  readonly mediaType?: string;
  readonly sizeBytes?: number;
};

/** A list as the upstream gave it: tags, or the referrers of a digest. */
export type KnownList<T> = {
  readonly repository: RepositoryName;
  readonly kind: 'tags' | `referrers ${Digest}`;
  readonly items: readonly T[];
  readonly checkedAtMs: number;
  /** The upstream said that there is no such repository. */
  readonly isMissing?: true;
};

/** Why the next pull of a reference would be answered as it would. */
export type Explanation = {
  readonly namespace: string;
  readonly repository: RepositoryName;
  readonly reference: ManifestReference;
  /** The name there. */
  readonly upstream: { readonly host: string; readonly repository: RepositoryName };
  /** The rule that decides: `freshness`, `freshness[1] (semver)`, `deny library/evil`. */
  readonly rule: string;
  readonly cached: boolean;
  readonly digest?: Digest;
  readonly checkedAtMs?: number;
  readonly freshUntilMs?: number;
  readonly servedStaleUntilMs?: number;
  /** What a pull now would be, as far as that can be told without asking. */
  readonly next: Verdict | 'revalidate' | 'fetch';
  /** In a sentence. */
  readonly why: string;
  /** Blobs of the manifest and its children that are here, of all. */
  readonly blobs?: { readonly here: number; readonly all: number; readonly bytesHere: number; readonly bytes: number };
};

/** What a namespace did since its counters began. Persisted. */
export type NamespaceCounters = {
  readonly namespace: string;
  readonly verdicts: Readonly<Partial<Record<Verdict, number>>>;
  /** Bytes answered, and those of them that came from here. */
  readonly bytesServed: number;
  readonly bytesSaved: number;
  readonly upstreamBytes: number;
  readonly upstreamPulls: number;
  readonly sinceMs: number;
};

/** Told to whoever counts and logs. Never throws, never waits. */
export type ProxyEvent =
  | {
      readonly kind: 'answer';
      readonly namespace: string;
      readonly what: 'manifest' | 'blob' | 'tags' | 'referrers';
      readonly repository: RepositoryName;
      readonly verdict: Verdict;
      readonly bytes: number;
    }
  | {
      readonly kind: 'upstream';
      readonly host: string;
      readonly operation: string;
      readonly outcome: 'ok' | 'not-found' | 'limited' | 'refused' | 'failed' | 'timeout' | 'invalid';
      readonly bytes: number;
      readonly durationMs: number;
    }
  | { readonly kind: 'flight-started' | 'flight-joined'; readonly flight: FlightFact }
  | {
      readonly kind: 'flight-ended';
      readonly flight: FlightFact;
      readonly outcome: 'stored' | 'failed' | 'kept';
      readonly why?: string;
    }
  | { readonly kind: 'flight-resumed'; readonly flight: FlightFact; readonly host: string; readonly why: string }
  | { readonly kind: 'breaker'; readonly host: string; readonly breaker: BreakerState }
  | { readonly kind: 'quota'; readonly host: string; readonly quota: Quota }
  | {
      readonly kind: 'evicted';
      readonly namespace: string;
      readonly bytes: number;
      readonly manifests: number;
      readonly blobs: number;
    };
