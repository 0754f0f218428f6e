import type { Descriptor, Digest, ManifestReference, RepositoryName } from '#core/oci';
import { createSizedCache } from '#core/std';
import type { StoreLimits } from './limits.ts';

/**
 * What references stand for, and manifests' bytes, in memory. Possible because this process is the only writer.
 * While a repository is being changed its references are asked of the catalog: a reader that saw the new state
 * there must not see the old one here afterwards.
 */
export type ManifestCache = {
  find(repository: RepositoryName, reference: ManifestReference): Descriptor | undefined;
  /** Runs a look-up in the catalog and keeps its answer unless something changed meanwhile. */
  remember(
    repository: RepositoryName,
    reference: ManifestReference,
    lookUp: () => Promise<Descriptor | undefined>,
  ): Promise<Descriptor | undefined>;
  /** Runs a change of a repository; `touched` names the references whose meaning it changed. */
  change<T>(
    repository: RepositoryName,
    change: () => Promise<T>,
    touched: (result: T) => readonly ManifestReference[],
  ): Promise<T>;
  bytesOf(digest: Digest): Uint8Array | undefined;
  keepBytes(digest: Digest, bytes: Uint8Array): void;
  /** For changes that reach over repositories. */
  clear(): void;
};

/** What an entry costs beside its texts: map slots and objects, roughly. */
const ENTRY_OVERHEAD_BYTES = 200;

export function createManifestCache(limits: StoreLimits): ManifestCache {
  const references = createSizedCache<Descriptor>(limits.referenceCacheBytes);
  const contents = createSizedCache<Uint8Array>(limits.manifestCacheBytes);
  const changing = new Map<RepositoryName, number>();
  let changes = 0;

  const keyOf = (repository: RepositoryName, reference: ManifestReference) => `${repository}\n${reference}`;
  const clear = () => {
    changes++;
    references.clear();
    contents.clear();
  };
  const begin = (repository: RepositoryName) => {
    changes++;
    changing.set(repository, (changing.get(repository) ?? 0) + 1);
  };
  const end = (repository: RepositoryName) => {
    changes++;
    const left = (changing.get(repository) ?? 1) - 1;
    if (left === 0) changing.delete(repository);
    else changing.set(repository, left);
  };
  return {
    find(repository, reference) {
      if (changing.size > 0 && changing.has(repository)) return undefined;
      return references.get(keyOf(repository, reference));
    },
    async remember(repository, reference, lookUp) {
      const before = changes;
      const found = await lookUp();
      if (found && before === changes && !changing.has(repository)) {
        const key = keyOf(repository, reference);
        references.set(key, found, key.length + found.digest.length + ENTRY_OVERHEAD_BYTES);
      }
      return found;
    },
    async change(repository, change, touched) {
      begin(repository);
      try {
        const result = await change();
        for (const reference of touched(result)) references.delete(keyOf(repository, reference));
        return result;
      } catch (thrown) {
        // Whether it took place may be unknown (the writer died): believe nothing.
        references.clear();
        throw thrown;
      } finally {
        end(repository);
      }
    },
    bytesOf: (digest) => contents.get(digest),
    keepBytes: (digest, bytes) => contents.set(digest, bytes, bytes.byteLength + ENTRY_OVERHEAD_BYTES),
    clear,
  };
}
