import type { Digest, RepositoryName } from '#core/oci';
import { createSizedCache } from '#core/std';
import type { CopyEndpoint } from './types.ts';

export type Home = { readonly endpoint: CopyEndpoint; readonly repository: RepositoryName };

/** Which blobs this run saw at which destinations. Forgetting one costs a request, never a wrong copy. */
export type Presence = {
  has(home: Home, digest: Digest): boolean;
  add(home: Home, digest: Digest): void;
  drop(home: Home, digest: Digest): void;
  /** A repository of the destination that has the blob. */
  repositoryWith(endpoint: CopyEndpoint, digest: Digest): RepositoryName | undefined;
  /** Somewhere to read it again instead of asking the source twice. */
  anyHome(digest: Digest): Home | undefined;
  /** The source was read to the end for it. */
  markRead(digest: Digest): void;
  wasRead(digest: Digest): boolean;
};

/** About 60,000 blobs: a run over thousands of images; the oldest are forgotten first. */
const PRESENCE_BYTES = 32 * 1024 * 1024;
const ENTRY_BYTES = 512;

type Entry = { readonly homes: Map<string, Home>; read: boolean };

export function createPresence(): Presence {
  const entries = createSizedCache<Entry>(PRESENCE_BYTES);
  const entryOf = (digest: Digest): Entry => {
    const known = entries.get(digest);
    if (known) return known;
    const created: Entry = { homes: new Map(), read: false };
    entries.set(digest, created, ENTRY_BYTES);
    return created;
  };
  const key = ({ endpoint, repository }: Home) => `${endpoint.name} ${repository}`;
  return {
    has: (home, digest) => entries.get(digest)?.homes.has(key(home)) ?? false,
    add(home, digest) {
      entryOf(digest).homes.set(key(home), home);
    },
    drop(home, digest) {
      entries.get(digest)?.homes.delete(key(home));
    },
    repositoryWith(endpoint, digest) {
      for (const home of entries.get(digest)?.homes.values() ?? []) {
        if (home.endpoint.name === endpoint.name) return home.repository;
      }
      return undefined;
    },
    anyHome: (digest) => entries.get(digest)?.homes.values().next().value,
    markRead(digest) {
      entryOf(digest).read = true;
    },
    wasRead: (digest) => entries.get(digest)?.read ?? false,
  };
}
