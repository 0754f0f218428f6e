import type { Descriptor, ManifestReference, Platform, RepositoryName, TagName } from '#core/oci';
import type { CacheStore, CacheUsage, Call, Registry } from '#core/registry';
import type { Clock, Log } from '#core/std';
import type { ProxyState } from './state.ts';
import type { Explanation, Flights, NamespaceCounters, ProxyEvent, ProxyRules, UpstreamMember } from './types.ts';

export type CachedOptions = {
  /** First segments of the names that this proxy answers for: `hub`. */
  readonly namespace: RepositoryName;
  readonly store: CacheStore;
  readonly flights: Flights;
  /**
   * One upstream under one or more addresses, tried in order: who fails or has it not is followed by the next.
   * "Not found" is answered only when each has said so. Patterns of the rules mean the first one's names.
   */
  readonly upstreams: readonly UpstreamMember[];
  /**
   * Namespaces of the same upstream, this one among them; default: it alone. What one of them has, another need not
   * download. What came from elsewhere is downloaded again, whatever this upstream says that it has: it could lie.
   */
  readonly sharesWith?: readonly RepositoryName[];
  readonly rules: ProxyRules;
  /** Shared by all proxies; whoever made it closes it, after them. */
  readonly state: ProxyState;
  readonly clock: Clock;
  /** A number from 0 up to 1. */
  readonly random: () => number;
  readonly log: Log;
  /** Told of every answer and eviction of this namespace. Never throws, never waits. */
  readonly observe: (event: ProxyEvent) => void;
};

/** What an operator asks a proxy, and tells it. */
export interface ProxyCare {
  /** Why the next pull would be answered as it would. Asks no upstream. */
  explain(repository: RepositoryName, reference: ManifestReference, call: Call): Promise<Explanation>;
  counters(): Promise<NamespaceCounters>;
  usage(): Promise<CacheUsage>;
  /** Fetches an image, blobs and referrers too. Waits where the upstream's quota says so. Throws as a pull does. */
  warm(repository: RepositoryName, reference: ManifestReference, options: WarmOptions, call: Call): Promise<Warmed>;
  /** Forgets the copy of a tag or manifest, and what is known of it: the next pull asks the upstream. Throws MANIFEST_UNKNOWN. */
  forget(repository: RepositoryName, reference: ManifestReference, call: Call): Promise<void>;
  /** From now on the namespace holds no more: looked at now and after each arrival. Of what is pinned nothing goes. */
  keepWithin(maxBytes: number, isPinned: (repository: RepositoryName, tag: TagName | undefined) => boolean): void;
}

/** A namespace that reads an upstream and keeps what it read. Writes and deletes are DENIED: only itself writes it. */
export type ProxyRegistry = Registry &
  ProxyCare & {
    readonly namespace: RepositoryName;
    /** The one name of a repository: `hub/redis` is `hub/library/redis` at Docker Hub. To be asked for before permissions are. */
    canonicalName(repository: RepositoryName): RepositoryName;
    /** Events of the flights: when a blob has arrived the space is looked at. */
    hear(event: ProxyEvent): void;
    /** Waits for what goes on in the background. */
    close(): Promise<void>;
  };

export type WarmOptions = {
  /** Of an index; empty: all, within the rules. */
  readonly platforms: readonly Platform[];
  readonly onProgress?: (progress: WarmProgress) => void;
};

export type WarmProgress =
  | { readonly kind: 'manifest' | 'blob' | 'referrer'; readonly descriptor: Descriptor; readonly isNew: boolean }
  | { readonly kind: 'waiting'; readonly untilMs: number; readonly why: string };

export type Warmed = {
  readonly descriptor: Descriptor;
  readonly manifests: number;
  readonly blobs: number;
  readonly bytes: number;
  /** Bytes that were not here before. */
  readonly newBytes: number;
};
