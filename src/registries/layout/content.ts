import {
  algorithmOf,
  Bounds,
  type Descriptor,
  type Digest,
  digestOf,
  type Manifest,
  parseManifest,
  RegistryError,
  type RepositoryName,
  type TagName,
} from '#core/oci';
import { type LayoutFiles, layoutInvalid, readSmall } from './files.ts';
import { blobPath, type Entry, readIndex } from './index-file.ts';

/** Manifests of one layout that are looked at: some thousand images with all their platforms and signatures. */
const MAX_MANIFESTS = 100_000;

export type Known = { readonly descriptor: Descriptor; readonly manifest: Manifest };

/** What a layout holds, as read when it was opened and kept current by its writer. */
export type Content = {
  /** Stands in `served.by`. */
  readonly name: string;
  readonly files: LayoutFiles;
  /** Listed as the one repository; every other name means it too. */
  readonly repository: RepositoryName;
  /** Whether anything was ever written. */
  exists: boolean;
  entries: readonly Entry[];
  /** Every manifest that the index leads to, and its content in brief. */
  readonly manifests: Map<Digest, Known>;
};

export type ContentOptions = {
  readonly files: LayoutFiles;
  readonly name: string;
  readonly repository: RepositoryName;
};

/** Reads index.json and all manifests it leads to. Throws LAYOUT_INVALID. */
export async function readContent(options: ContentOptions, given?: readonly Entry[]): Promise<Content> {
  const entries = given ?? (await readIndex(options.files));
  const content: Content = {
    ...options,
    exists: entries !== undefined,
    entries: entries ?? [],
    manifests: new Map(),
  };
  await learn(
    content,
    content.entries.map(({ descriptor }) => descriptor),
    0,
  );
  return content;
}

/** Adds manifests and, of indexes, their children that are there. */
async function learn(content: Content, descriptors: readonly Descriptor[], depth: number): Promise<void> {
  if (depth > Bounds.indexDepth)
    throw layoutInvalid(content.files.place, `indexes nest deeper than ${Bounds.indexDepth}`);
  for (const descriptor of descriptors) {
    if (content.manifests.has(descriptor.digest)) continue;
    const bytes = await verifiedManifest(content.files, descriptor.digest);
    // A sparse index: some of its children were not copied.
    if (!bytes) continue;
    const manifest = parseManifest(bytes, descriptor.mediaType);
    const known = { mediaType: manifest.mediaType, digest: descriptor.digest, size: bytes.byteLength };
    content.manifests.set(descriptor.digest, { descriptor: known, manifest });
    if (content.manifests.size > MAX_MANIFESTS) {
      throw layoutInvalid(content.files.place, `it leads to more than ${MAX_MANIFESTS} manifests`);
    }
    await learn(content, manifest.manifests, depth + 1);
  }
}

/** A manifest's bytes, whose digest is checked: nobody checked it when the layout was made. Throws LAYOUT_INVALID. */
export async function verifiedManifest(files: LayoutFiles, digest: Digest): Promise<Uint8Array | undefined> {
  const bytes = await readSmall(files, blobPath(digest), Bounds.manifestBytes);
  if (!bytes) return undefined;
  const actual = digestOf(bytes, algorithmOf(digest));
  if (actual !== digest) throw layoutInvalid(files.place, `${blobPath(digest)} has the digest ${actual}`);
  return bytes;
}

/**
 * What a tag stands for. An archive of several images may have a tag twice: then the name that was asked for decides.
 * Throws REQUEST_INVALID when it does not.
 */
export function digestAt(content: Content, repository: RepositoryName, tag: TagName): Digest | undefined {
  const entries = content.entries.filter((entry) => entry.tag === tag);
  const named = entries.filter(({ name }) => name === repository || name?.endsWith(`/${repository}`));
  const digests = new Set((named.length > 0 ? named : entries).map(({ descriptor }) => descriptor.digest));
  if (digests.size > 1) {
    const names = entries.map(({ name }) => name ?? 'an unnamed one').join(', ');
    throw new RegistryError('REQUEST_INVALID', `${content.files.place} holds several images tagged ${tag}: ${names}`, {
      hint: 'ask by the name of one of them, or by digest',
    });
  }
  const [digest] = digests;
  return digest;
}

export function sortedTags(content: Content): TagName[] {
  return [...new Set(content.entries.flatMap(({ tag }) => (tag === undefined ? [] : [tag])))].sort();
}
