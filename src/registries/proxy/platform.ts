import {
  type Descriptor,
  type Digest,
  type ManifestReference,
  manifestKindOf,
  parseManifest,
  RegistryError,
  type RepositoryName,
} from '#core/oci';
import { createSizedCache } from '#core/std';
import type { Rules } from './rules.ts';

/**
 * Refuses the children of indexes that are for platforms that the rules leave out. A child is known by the index that
 * named it when it went through here; the index itself stays as it is, byte by byte.
 */
export type PlatformFilter = {
  /** Learns from an index which of its children are not wanted. */
  learn(repository: RepositoryName, descriptor: Descriptor, bytes: Uint8Array): void;
  /** Throws DENIED. */
  check(repository: RepositoryName, reference: ManifestReference): void;
};

/** Children of some thousand indexes. One forgotten is let through until its index is pulled again. */
const CHILDREN_BYTES = 8 * 1024 * 1024;
const CHILD_BYTES = 250;
const WANTED = '';

export function createPlatformFilter(rules: Rules): PlatformFilter {
  if (!rules.hasPlatforms) return { learn: () => {}, check: () => {} };
  const children = createSizedCache<string>(CHILDREN_BYTES);
  const learned = createSizedCache<true>(CHILDREN_BYTES);
  return {
    learn(repository, { mediaType, digest }, bytes) {
      const key = keyOf(repository, digest);
      if (manifestKindOf(mediaType) !== 'index' || learned.get(key)) return;
      for (const child of parseManifest(bytes, mediaType).manifests) {
        const childKey = keyOf(repository, child.digest);
        const unwanted = rules.refusesPlatform(child);
        // One manifest may stand for several platforms: wanted once is wanted.
        if (unwanted === undefined) children.set(childKey, WANTED, CHILD_BYTES);
        else if (children.get(childKey) === undefined) children.set(childKey, unwanted, CHILD_BYTES);
      }
      learned.set(key, true, CHILD_BYTES);
    },
    check(repository, reference) {
      const platform = children.get(keyOf(repository, reference));
      if (!platform) return;
      throw new RegistryError('DENIED', `${repository}@${reference} is for ${platform}, which is not to be had here`, {
        detail: { name: repository, rule: `platforms ${platform}` },
        hint: 'pull another platform, or ask whoever runs this registry to add it to "platforms"',
      });
    },
  };
}

function keyOf(repository: RepositoryName, reference: ManifestReference | Digest): string {
  return `${repository}@${reference}`;
}
