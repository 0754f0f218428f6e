import {
  artifactTypeOf,
  Bounds,
  cosignTags,
  type Descriptor,
  type Digest,
  formatPlatform,
  isDigest,
  isRegistryError,
  type Manifest,
  type ManifestReference,
  manifestTooLarge,
  type Platform,
  parseManifest,
  parseTag,
  RegistryError,
  type RepositoryName,
  type TagName,
} from '#core/oci';
import { bodyOf, type Call, type Registry } from '#core/registry';
import { collectBytes } from '#core/std';
import type { Deleted, ImageDetail, ImageItem } from '#surface/server/api';

/** A repository somewhere, and who looks at it. */
export type Shelf = {
  readonly registry: Registry;
  readonly repository: RepositoryName;
  readonly call: Call;
  /** Of a file that is written: makes it appear. Without it, closing the session leaves nothing. */
  readonly finish?: () => Promise<void>;
  /** Of a file that is read: the images that it was made to hold. */
  readonly roots?: readonly ShelfRoot[];
};
export type ShelfRoot = { readonly digest: Digest; readonly tag?: TagName };

/** What is meant where nobody said which: the only image of a file, else `latest`. Throws REQUEST_INVALID. */
export function meantReference({ roots }: Shelf): ManifestReference {
  const [only, ...others] = roots ?? [];
  if (!roots) return parseTag('latest');
  if (only && others.length === 0) return only.tag ?? only.digest;
  throw new RegistryError('REQUEST_INVALID', `the file holds ${roots.length} images`, {
    why: roots.map(({ tag, digest }) => tag ?? digest).join(', '),
    hint: 'add :tag or @sha256:… to its name',
  });
}

type Opened = { readonly descriptor: Descriptor; readonly manifest: Manifest };

/** What one tag or digest stands for, short. `missing` children of a sparse index are left out of the size. */
export async function describeImage(shelf: Shelf, reference: ManifestReference): Promise<ImageItem> {
  const opened = await openManifest(shelf, reference);
  const children = await childrenOf(shelf, opened.manifest);
  return itemOf(shelf, { opened, children, reference });
}

/** What one tag or digest stands for, in full: platforms, layers, and what hangs on it. */
export async function showImage(shelf: Shelf, reference: ManifestReference): Promise<ImageDetail> {
  const opened = await openManifest(shelf, reference);
  const children = await childrenOf(shelf, opened.manifest);
  return {
    ...(await itemOf(shelf, { opened, children, reference })),
    manifests: children.map(({ descriptor, manifest }) => ({
      digest: descriptor.digest,
      ...(descriptor.platform ? { platform: formatPlatform(descriptor.platform) } : {}),
      sizeBytes: manifest ? blobBytes([manifest]) : 0,
      missing: manifest === undefined,
    })),
    layers: opened.manifest.layers.map(({ digest, mediaType, size }) => ({ digest, mediaType, sizeBytes: size })),
    annotations: { ...opened.manifest.annotations },
    attached: await attachedTo(shelf, opened.descriptor.digest),
  };
}

/** Removes a tag, or by digest a manifest with every tag on it. */
export async function deleteImage(shelf: Shelf, reference: ManifestReference): Promise<Deleted> {
  const { registry, repository, call } = shelf;
  if (isDigest(reference)) {
    await registry.deleteManifest(repository, reference, call);
    return { repository, reference, what: 'manifest' };
  }
  await registry.deleteTag(repository, reference, call);
  return { repository, reference, what: 'tag' };
}

async function openManifest({ registry, repository, call }: Shelf, reference: ManifestReference): Promise<Opened> {
  const { value } = await registry.getManifest(repository, reference, call);
  return { descriptor: value.descriptor, manifest: parseManifest(value.bytes, value.descriptor.mediaType) };
}

type Child = { readonly descriptor: Descriptor; readonly manifest?: Manifest };

async function childrenOf(shelf: Shelf, manifest: Manifest): Promise<Child[]> {
  const children: Child[] = [];
  for (const descriptor of manifest.manifests) {
    try {
      children.push({ descriptor, manifest: (await openManifest(shelf, descriptor.digest)).manifest });
    } catch (thrown) {
      // A platform subset was mirrored: the index names children that are not here.
      if (!isRegistryError(thrown, 'MANIFEST_UNKNOWN')) throw thrown;
      children.push({ descriptor });
    }
  }
  return children;
}

type Looked = { readonly opened: Opened; readonly children: readonly Child[]; readonly reference: ManifestReference };

async function itemOf(shelf: Shelf, { opened, children, reference }: Looked): Promise<ImageItem> {
  const { descriptor, manifest } = opened;
  const artifactType = manifest.artifactType === undefined ? undefined : artifactTypeOf(manifest);
  const present = children.flatMap((child) => (child.manifest ? [child.manifest] : []));
  return {
    repository: shelf.repository,
    ...(isDigest(reference) ? {} : { tag: reference }),
    digest: descriptor.digest,
    mediaType: descriptor.mediaType,
    ...(artifactType === undefined ? {} : { artifactType }),
    platforms: await platformsOf(shelf, manifest, children),
    sizeBytes: blobBytes([manifest, ...present]),
  };
}

async function platformsOf(shelf: Shelf, manifest: Manifest, children: readonly Child[]): Promise<string[]> {
  if (manifest.kind === 'index') {
    const platforms = children.flatMap(({ descriptor }) => (descriptor.platform ? [descriptor.platform] : []));
    // Build attestations stand in the index as unknown/unknown: they are no platform.
    return platforms.filter(({ os }) => os !== 'unknown').map(formatPlatform);
  }
  const platform = await platformOfConfig(shelf, manifest.config);
  return platform ? [formatPlatform(platform)] : [];
}

async function platformOfConfig(shelf: Shelf, config: Descriptor | undefined): Promise<Platform | undefined> {
  if (!config || !/\.image\.config\.v1\+json$|container\.image\.v1\+json$/.test(config.mediaType)) return undefined;
  if (config.size > Bounds.manifestBytes) return undefined;
  const bytes = await configBytes(shelf, config);
  if (!bytes) return undefined;
  const { os, architecture, variant } = JSON.parse(new TextDecoder().decode(bytes)) as Partial<Platform>;
  if (!os || !architecture) return undefined;
  return { os, architecture, ...(variant ? { variant } : {}) };
}

/** Of a proxied image of which nobody pulled more than the manifest, it is not here. */
async function configBytes({ registry, repository, call }: Shelf, { digest }: Descriptor) {
  try {
    const { value } = await registry.getBlob(repository, digest, {}, call);
    return await collectBytes(bodyOf(value), Bounds.manifestBytes, () => manifestTooLarge(undefined));
  } catch (thrown) {
    if (isRegistryError(thrown, 'BLOB_UNKNOWN')) return undefined;
    throw thrown;
  }
}

function blobBytes(manifests: readonly Manifest[]): number {
  const sizes = new Map<Digest, number>();
  for (const { config, layers } of manifests) {
    for (const blob of config ? [config, ...layers] : layers) sizes.set(blob.digest, blob.size);
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

/** Referrers, and what cosign keeps under tags made of the digest. */
async function attachedTo(shelf: Shelf, digest: Digest): Promise<ImageDetail['attached']> {
  const { registry, repository, call } = shelf;
  const attached: ImageDetail['attached'] = [];
  let after: string | undefined;
  do {
    const { value } = await registry.referrers(repository, digest, after === undefined ? {} : { after }, call);
    attached.push(
      ...value.items.map((item) => ({
        digest: item.digest,
        artifactType: item.artifactType ?? item.mediaType,
        via: 'referrer',
      })),
    );
    after = value.next;
  } while (after !== undefined);
  for (const tag of cosignTags(digest)) {
    const found = await openIfThere(shelf, tag);
    const [layer] = found?.manifest.layers ?? [];
    if (found)
      attached.push({ digest: found.descriptor.digest, artifactType: layer?.mediaType ?? 'unknown', via: tag });
  }
  return attached;
}

async function openIfThere(shelf: Shelf, tag: TagName): Promise<Opened | undefined> {
  try {
    return await openManifest(shelf, tag);
  } catch (thrown) {
    if (isRegistryError(thrown, 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN')) return undefined;
    throw thrown;
  }
}
