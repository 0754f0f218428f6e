import type { Digest, Manifest, RepositoryName, TagName } from '#core/oci';
import type { CacheUsage, Evicted, Eviction } from '../cache-store.ts';
import type { Repository } from './state.ts';

export type CacheState = {
  readonly repositories: ReadonlyMap<RepositoryName, Repository>;
  /** When what a cache keeps was last used, by `useKey`. */
  readonly uses: Map<string, number>;
};

export function useKey(repository: RepositoryName, digest: Digest): string {
  return `${repository}\n${digest}`;
}

export function usageOf({ repositories }: CacheState, namespace: RepositoryName): CacheUsage {
  const sizes = new Map<Digest, number>();
  const usage = { repositories: 0, tags: 0, manifests: 0, blobs: 0 };
  for (const [, held] of within(repositories, namespace)) {
    if (held.manifests.size + held.blobs.size > 0) usage.repositories++;
    usage.tags += held.tags.size;
    for (const [digest, { descriptor }] of held.manifests) {
      if (!sizes.has(digest)) usage.manifests++;
      sizes.set(digest, descriptor.size);
    }
    for (const [digest, blob] of held.blobs) {
      if (!sizes.has(digest)) usage.blobs++;
      sizes.set(digest, blob.size);
    }
  }
  return { ...usage, bytes: [...sizes.values()].reduce((sum, size) => sum + size, 0) };
}

/** Drops whole units, the longest unused first. */
export function evict(state: CacheState, namespace: RepositoryName, { targetBytes, isPinned }: Eviction): Evicted {
  const before = usageOf(state, namespace);
  const held = [...within(state.repositories, namespace)];
  const units = held.flatMap(([name, repository]) => unitsOf(state, name, repository));
  for (const unit of units.sort((left, right) => left.usedAt - right.usedAt)) {
    if (usageOf(state, namespace).bytes <= targetBytes) break;
    const tags = unit.tags.length === 0 ? [undefined] : unit.tags;
    if (!tags.some((tag) => isPinned(unit.name, tag))) dropUnit(state, unit);
  }
  const after = usageOf(state, namespace);
  return {
    bytes: before.bytes - after.bytes,
    manifests: before.manifests - after.manifests,
    blobs: before.blobs - after.blobs,
  };
}

/** What is used and forgotten together: a manifest that hangs on no other, and all that hangs on it; or a blob that no manifest names. */
type Unit = {
  readonly name: RepositoryName;
  readonly repository: Repository;
  readonly root: Digest;
  readonly tags: readonly TagName[];
  readonly usedAt: number;
};

function* within(repositories: CacheState['repositories'], namespace: RepositoryName) {
  for (const [name, repository] of repositories) {
    if (name === namespace || name.startsWith(`${namespace}/`)) yield [name, repository] as const;
  }
}

function unitsOf({ uses }: CacheState, name: RepositoryName, repository: Repository): Unit[] {
  const units: Unit[] = [];
  const usedAt = (digest: Digest) => uses.get(useKey(name, digest)) ?? 0;
  for (const root of repository.manifests.keys()) {
    if (!uses.has(useKey(name, root)) || parentsOf(repository, root).length > 0) continue;
    const members = [...membersOf(repository, root)];
    const blobs = members.flatMap((digest) => ownBlobsOf(repository, digest));
    const tags = [...repository.tags].filter(([, digest]) => members.includes(digest)).map(([tag]) => tag);
    units.push({ name, repository, root, tags, usedAt: Math.max(...[...members, ...blobs].map(usedAt)) });
  }
  for (const root of repository.blobs.keys()) {
    if (namersOf(repository, root).length === 0) units.push({ name, repository, root, tags: [], usedAt: usedAt(root) });
  }
  return units;
}

function dropUnit({ uses }: CacheState, { name, repository, root }: Unit): void {
  const forget = (digest: Digest) => uses.delete(useKey(name, digest));
  for (const digest of membersOf(repository, root)) {
    // Another index may lead to a child.
    if (digest !== root && parentsOf(repository, digest).length > 0) continue;
    const blobs = blobsOf(repository.manifests.get(digest)?.manifest);
    repository.manifests.delete(digest);
    forget(digest);
    for (const [tag, tagged] of repository.tags) if (tagged === digest) repository.tags.delete(tag);
    for (const blob of blobs) {
      if (namersOf(repository, blob).length > 0) continue;
      repository.blobs.delete(blob);
      forget(blob);
    }
  }
  repository.blobs.delete(root);
  repository.sortedTags = undefined;
}

/** A manifest and what hangs on it, each behind all that it hangs on. */
function membersOf(repository: Repository, root: Digest): Set<Digest> {
  const members = new Set<Digest>([root]);
  for (const digest of members) {
    const children = repository.manifests.get(digest)?.manifest.manifests ?? [];
    const referrers = [...repository.manifests].filter(([, { manifest }]) => manifest.subject?.digest === digest);
    for (const below of [...children.map((child) => child.digest), ...referrers.map(([referrer]) => referrer)]) {
      if (!repository.manifests.has(below)) continue;
      // Once more behind: whatever led to it before stands in front of it.
      members.delete(below);
      members.add(below);
    }
  }
  return members;
}

/** What a manifest hangs on: indexes that name it, and its subject. */
function parentsOf(repository: Repository, digest: Digest): Digest[] {
  const subject = repository.manifests.get(digest)?.manifest.subject?.digest;
  const indexes = [...repository.manifests].filter(([, { manifest }]) => namesChild(manifest, digest));
  const parents = indexes.map(([index]) => index);
  return subject !== undefined && repository.manifests.has(subject) ? [...parents, subject] : parents;
}

const namesChild = (manifest: Manifest, digest: Digest) => manifest.manifests.some((child) => child.digest === digest);

function blobsOf(manifest: Manifest | undefined): Digest[] {
  if (!manifest) return [];
  return [...(manifest.config ? [manifest.config] : []), ...manifest.layers].map(({ digest }) => digest);
}

function namersOf(repository: Repository, blob: Digest): Digest[] {
  return [...repository.manifests]
    .filter(([, { manifest }]) => blobsOf(manifest).includes(blob))
    .map(([digest]) => digest);
}

/** Blobs that this manifest alone names: using one is using the image. A base layer is in many. */
function ownBlobsOf(repository: Repository, digest: Digest): Digest[] {
  return blobsOf(repository.manifests.get(digest)?.manifest).filter((blob) => namersOf(repository, blob).length === 1);
}
