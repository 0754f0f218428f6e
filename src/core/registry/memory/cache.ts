import type { Digest, RepositoryName } from '#core/oci';
import type { CacheKeeping } from '../cache-store.ts';
import { checkManifest, storeManifest } from './manifest.ts';
import { memoryParts } from './part.ts';
import { blobDescriptor, ensureRepository, findBlob, type MemoryState } from './state.ts';
import { type CacheState, evict, usageOf, useKey } from './unit.ts';

/** What a cache does to a registry in memory; `pushed` is told of manifests that are not the cache's (any more). */
export function cacheMethods(state: MemoryState) {
  let now = 0;
  const tick = () => ++now;
  const cache: CacheState = { repositories: state.repositories, uses: new Map() };
  const use = (repository: RepositoryName, digest: Digest) => void cache.uses.set(useKey(repository, digest), tick());
  const parts = memoryParts(state, { tick, use });
  const keeping: CacheKeeping = {
    parts,
    async keepManifest(repository, bytes, options) {
      const checked = checkManifest(bytes, options);
      storeManifest(state, repository, { ...checked, bytes, tags: options.tags });
      use(repository, checked.descriptor.digest);
      return checked.descriptor;
    },
    async keepTag(repository, tag, digest) {
      const target = state.repositories.get(repository);
      if (!target?.manifests.has(digest)) return false;
      target.tags.set(tag, digest);
      target.sortedTags = undefined;
      keeping.touch(repository, digest);
      return true;
    },
    async findBlob(digest, namespaces) {
      const blob = findBlob(state, digest, namespaces);
      return blob && blobDescriptor(digest, blob.size);
    },
    async linkBlob(repository, digest, namespaces) {
      const blob = findBlob(state, digest, namespaces);
      if (!blob) return undefined;
      ensureRepository(state, repository).blobs.set(digest, blob);
      use(repository, digest);
      return blobDescriptor(digest, blob.size);
    },
    touch(repository, digest) {
      const target = state.repositories.get(repository);
      if (target?.manifests.has(digest)) {
        // What was pushed is not the cache's to forget.
        if (cache.uses.has(useKey(repository, digest))) use(repository, digest);
      } else if (target?.blobs.has(digest)) use(repository, digest);
    },
    usage: async (namespace) => usageOf(cache, namespace),
    evict: async (namespace, eviction) => evict(cache, namespace, eviction),
  };
  return {
    keeping,
    pushed: (repository: RepositoryName, digest: Digest) => void cache.uses.delete(useKey(repository, digest)),
  };
}
