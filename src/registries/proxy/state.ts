import type { ManifestReference, RepositoryName } from '#core/oci';
import type { KnownList, KnownReference, NamespaceCounters, Verdict } from './types.ts';

/** What is known of tags, and of digests that are not here. */
export interface ReferenceNotes {
  /** What is in memory of a reference: for the pull that asks nobody. Undefined says nothing; `find` does. */
  peek(repository: RepositoryName, reference: ManifestReference): KnownReference | undefined;
  /** Throws SqlError. */
  find(repository: RepositoryName, reference: ManifestReference): Promise<KnownReference | undefined>;
  save(known: KnownReference): void;
  forget(repository: RepositoryName, reference: ManifestReference): void;
}

export interface ListNotes {
  /** Items are what was saved under that kind. Throws SqlError. */
  list<T>(repository: RepositoryName, kind: KnownList<T>['kind']): Promise<KnownList<T> | undefined>;
  saveList<T>(list: KnownList<T>): void;
}

export interface CounterNotes {
  /** Adds to a namespace's counters. */
  count(namespace: string, counts: Counts): void;
  /** With all that was counted so far. Throws SqlError. */
  counters(namespace: string): Promise<NamespaceCounters>;
}

/**
 * What proxies know of their upstreams, and their counters. What is saved is seen at once, and on disk within
 * `STATE_FLUSH_MS`: nobody waits for a write, and a crash loses no more than that.
 */
export type ProxyState = ReferenceNotes &
  ListNotes &
  CounterNotes & {
    /** Waits until all that was saved is on disk. Throws SqlError. */
    flush(): Promise<void>;
    /** Flushes; nothing may be saved afterwards. */
    close(): Promise<void>;
  };

/** What happened, once. */
export type Counts = {
  readonly verdict?: Verdict;
  readonly bytesServed?: number;
  readonly bytesSaved?: number;
  readonly upstreamBytes?: number;
  readonly upstreamPulls?: number;
};

/** A crash forgets at most so much: a question asked again, never content. */
export const STATE_FLUSH_MS = 250;
