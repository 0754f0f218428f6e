import type { Digest, RepositoryName } from '#core/oci';
import type { Database } from '#core/sql';
import type { Clock, Log, SizedCache } from '#core/std';
import type { ManifestCache } from './cache.ts';
import type { StoreFs } from './fs.ts';
import type { Layout } from './layout.ts';
import type { StoreLimits } from './limits.ts';
import type { KnownPart } from './parts.ts';
import type { Session } from './session.ts';
import type { Turns } from './turn.ts';

/** What the store's parts share. */
export type StoreContext = {
  /** Stands in `served.by`. */
  readonly name: string;
  readonly layout: Layout;
  readonly fs: StoreFs;
  readonly database: Database;
  readonly clock: Clock;
  /** Bytes that nobody can guess. */
  readonly random: (sizeBytes: number) => Uint8Array;
  readonly log: Log;
  readonly limits: StoreLimits;
  readonly sparseIndexes: boolean;
  readonly cache: ManifestCache;
  readonly repositoryIds: SizedCache<number>;
  /** One at a time for a digest: putting its file in place, and taking it away. */
  readonly blobTurns: Turns;
  /** When a repository's blob or manifest was last asked about by digest: a pusher that was told "it is here" relies on it. */
  readonly seen: SizedCache<number>;
  /** What gc is dropping right now, with the outcome to wait for. */
  readonly dropping: Map<string, Promise<unknown>>;
  readonly sessions: Map<string, Session>;
  /** Blobs on their way in from upstreams, held or kept; the longest untouched first. */
  readonly parts: Map<Digest, KnownPart>;
  /** Shard folders whose names are known to be on disk. */
  readonly durableFolders: Set<string>;
  /** Work that nobody waits for; `close` does. */
  readonly background: Set<Promise<void>>;
};

export function seenKey(repository: RepositoryName, digest: Digest | string): string {
  return `${repository}\n${digest}`;
}

/** What an entry of the memory of questions costs beside its key. */
const SEEN_OVERHEAD_BYTES = 100;

/**
 * Looks whether something is here and holds gc back from it if so. gc is told before the look: one that has decided
 * already is waited for, one that decides later knows.
 */
export async function holdingGc<T>(
  { seen, dropping, clock }: StoreContext,
  key: string,
  look: () => Promise<T>,
): Promise<T> {
  seen.set(key, clock.now(), key.length + SEEN_OVERHEAD_BYTES);
  const outcome = dropping.get(key);
  if (outcome !== undefined) await Promise.allSettled([outcome]);
  try {
    return await look();
  } catch (thrown) {
    seen.delete(key);
    throw thrown;
  }
}

/** Does something without letting the caller wait; its failure is logged. */
export function inBackground(context: StoreContext, what: string, work: Promise<unknown>): void {
  const done = work
    .then(
      () => {},
      (thrown: unknown) =>
        context.log.warn(`${what} failed`, { why: thrown instanceof Error ? thrown.message : String(thrown) }),
    )
    .finally(() => context.background.delete(done));
  context.background.add(done);
}
