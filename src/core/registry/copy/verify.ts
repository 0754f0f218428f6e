import {
  type Descriptor,
  type Digest,
  isDigest,
  isRegistryError,
  type ManifestReference,
  type Platform,
  parseManifest,
  type RepositoryName,
  requiredBlobs,
} from '#core/oci';
import { mapLimited } from '#core/std';
import type { Call, Registry } from '../types.ts';
import { isAbsent } from './error.ts';
import { chosenChildren } from './platform.ts';

export type Missing = { readonly kind: 'manifest' | 'blob'; readonly reference: ManifestReference };

export type MissingOptions = {
  readonly repository: RepositoryName;
  readonly reference: ManifestReference;
  /** Children that were chosen when the image was copied. */
  readonly platforms?: readonly Platform[];
};

/** Questions at once, at each level. */
const AT_ONCE = 8;

/**
 * What of an image is not in a repository: the manifest, its children, their blobs. Every one is asked for.
 * Errors other than "not here" are thrown: they say nothing about what is there.
 */
export async function missingContent(registry: Registry, options: MissingOptions, call: Call): Promise<Missing[]> {
  const { repository, reference, platforms = [] } = options;
  const seen = new Set<Digest>();
  const visit = async (wanted: ManifestReference, chosen: readonly Platform[]): Promise<Missing[]> => {
    if (isDigest(wanted)) {
      if (seen.has(wanted)) return [];
      seen.add(wanted);
    }
    const found = await registry.getManifest(repository, wanted, call).catch((thrown: unknown) => {
      if (isAbsent(thrown)) return undefined;
      throw thrown;
    });
    if (!found) return [{ kind: 'manifest', reference: wanted }];
    const manifest = parseManifest(found.value.bytes, found.value.descriptor.mediaType);
    const children = chosen.length > 0 ? chosenChildren(manifest.manifests, chosen) : manifest.manifests;
    const below = await mapLimited(children, AT_ONCE, ({ digest }) => visit(digest, []));
    const blobs = await mapLimited(requiredBlobs(manifest), AT_ONCE, (blob) =>
      missingBlob(registry, { repository, blob }, call),
    );
    return [...below, ...blobs].flat();
  };
  return await visit(reference, platforms);
}

async function missingBlob(
  registry: Registry,
  { repository, blob }: { readonly repository: RepositoryName; readonly blob: Descriptor },
  call: Call,
): Promise<Missing[]> {
  try {
    await registry.resolveBlob(repository, blob.digest, call);
    return [];
  } catch (thrown) {
    if (!isRegistryError(thrown, 'BLOB_UNKNOWN', 'NAME_UNKNOWN', 'NOT_FOUND')) throw thrown;
    return [{ kind: 'blob', reference: blob.digest }];
  }
}
