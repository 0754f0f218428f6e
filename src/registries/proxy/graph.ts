import {
  type Descriptor,
  type Digest,
  manifestKindOf,
  type Platform,
  parseManifest,
  platformMatches,
  type RepositoryName,
  requiredBlobs,
} from '#core/oci';
import { mapLimited } from '#core/std';
import type { ProxyContext } from './context.ts';
import { KEEPER, orUndefined } from './copy.ts';
import type { Explanation } from './types.ts';

/** Children of an index for some platforms; those without one (attestations) belong to all. */
export function childrenFor(manifests: readonly Descriptor[], platforms: readonly Platform[]): readonly Descriptor[] {
  if (platforms.length === 0) return manifests;
  const wanted = manifests.filter(({ platform }) => platforms.some((each) => platformMatches(each, platform)));
  const digests = new Set<string>(wanted.map(({ digest }) => digest));
  // BuildKit's attestations name the image that they are about.
  const attached = manifests.filter(({ annotations }) =>
    digests.has(annotations?.['vnd.docker.reference.digest'] ?? ''),
  );
  return [...new Set([...wanted, ...attached])];
}

/** Catalog look-ups at once. */
const LOOKS = 16;

/** How much of an image is here: blobs of the manifest and of those of its children that are here. */
export async function blobsHere(
  context: ProxyContext,
  repository: RepositoryName,
  descriptor: Descriptor,
): Promise<NonNullable<Explanation['blobs']>> {
  const blobs = new Map<Digest, Descriptor>();
  await collect(context, repository, { descriptor, blobs, seen: new Set() });
  const sizes = await mapLimited([...blobs.values()], LOOKS, async ({ digest, size }) =>
    (await isHere(context, repository, digest)) ? size : undefined,
  );
  const here = sizes.filter((size) => size !== undefined);
  const total = (all: readonly number[]) => all.reduce((sum, size) => sum + size, 0);
  return {
    here: here.length,
    all: blobs.size,
    bytesHere: total(here),
    bytes: total([...blobs.values()].map(({ size }) => size)),
  };
}

type Collecting = {
  readonly descriptor: Descriptor;
  readonly blobs: Map<Digest, Descriptor>;
  readonly seen: Set<Digest>;
};

async function collect(context: ProxyContext, repository: RepositoryName, { descriptor, blobs, seen }: Collecting) {
  if (seen.has(descriptor.digest) || manifestKindOf(descriptor.mediaType) === undefined) return;
  seen.add(descriptor.digest);
  const manifest = await manifestHere(context, repository, descriptor.digest);
  if (!manifest) return;
  for (const blob of requiredBlobs(manifest)) blobs.set(blob.digest, blob);
  for (const child of manifest.manifests) await collect(context, repository, { descriptor: child, blobs, seen });
}

async function manifestHere({ store }: ProxyContext, repository: RepositoryName, digest: Digest) {
  const here = await orUndefined(store.getManifest(repository, digest, KEEPER));
  return here && parseManifest(here.value.bytes, here.value.descriptor.mediaType);
}

async function isHere({ store }: ProxyContext, repository: RepositoryName, digest: Digest): Promise<boolean> {
  return (await orUndefined(store.resolveBlob(repository, digest, KEEPER))) !== undefined;
}
