import { Bounds, createHasher, type Descriptor, type Digest, digestOf, MediaType, tryParseTag } from '#core/oci';
import { chunksOf, messageOf } from '#core/std';
import { type LayoutFiles, readSmall } from './files.ts';
import { blobPath, type Entry, newEntry } from './index-file.ts';
import { archiveInvalid, compressionOf } from './tar-read.ts';

type DockerImage = { readonly config: string; readonly layers: readonly string[]; readonly names: readonly string[] };

/**
 * What `docker save` and `crane pull --format=tarball` write: manifest.json, configs and layers, but no manifests. The
 * manifest is made here, over the files as they are; its digest is ours and not that of the image in its registry.
 */
export async function dockerArchive(files: LayoutFiles): Promise<{ files: LayoutFiles; entries: Entry[] } | undefined> {
  const bytes = await readSmall(files, 'manifest.json', Bounds.manifestBytes);
  if (!bytes) return undefined;
  const places = new Map<string, Blob>();
  const entries: Entry[] = [];
  const describe = createDescriber(files, places);
  for (const image of parseManifestFile(files, bytes)) {
    const descriptor = await addManifest(image, describe, places);
    const named = image.names.flatMap((name) => namedEntries(descriptor, name));
    entries.push(...(named.length > 0 ? named : [newEntry(descriptor, undefined)]));
  }
  return { files: { place: files.place, find: async (path) => places.get(path) }, entries };
}

type Describe = (path: string, mediaTypeOf: (start: Uint8Array) => string) => Promise<Descriptor>;

/** Reads each file once, whatever images share it. */
function createDescriber(files: LayoutFiles, places: Map<string, Blob>): Describe {
  const seen = new Map<string, Descriptor>();
  return async (path, mediaTypeOf) => {
    const before = seen.get(path);
    if (before) return before;
    const file = await files.find(path);
    if (!file) throw archiveInvalid(files.place, `manifest.json names ${path.slice(0, 120)}, which is not there`);
    const start = new Uint8Array(await file.slice(0, 8).arrayBuffer());
    const descriptor = { mediaType: mediaTypeOf(start), digest: await digestOfFile(file), size: file.size };
    places.set(blobPath(descriptor.digest), file);
    seen.set(path, descriptor);
    return descriptor;
  };
}

async function addManifest(image: DockerImage, describe: Describe, places: Map<string, Blob>): Promise<Descriptor> {
  const config = await describe(image.config, () => MediaType.ociConfig);
  const layers: Descriptor[] = [];
  for (const path of image.layers) layers.push(await describe(path, layerType));
  const bytes = new TextEncoder().encode(
    JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociManifest, config, layers }),
  );
  const digest = digestOf(bytes);
  places.set(blobPath(digest), new Blob([bytes]));
  return { mediaType: MediaType.ociManifest, digest, size: bytes.byteLength };
}

function layerType(start: Uint8Array): string {
  const compression = compressionOf(start);
  if (compression === 'gzip') return MediaType.ociLayerGzip;
  return compression === 'zstd' ? `${MediaType.ociLayer}+zstd` : MediaType.ociLayer;
}

async function digestOfFile(file: Blob): Promise<Digest> {
  const hasher = createHasher();
  for await (const chunk of chunksOf(file.stream())) hasher.update(chunk);
  return hasher.digest();
}

function namedEntries(descriptor: Descriptor, name: string): Entry[] {
  const colon = name.lastIndexOf(':');
  const tag = tryParseTag(name.slice(colon + 1));
  return colon > 0 && tag ? [{ ...newEntry(descriptor, tag), name: name.slice(0, colon) }] : [];
}

function parseManifestFile(files: LayoutFiles, bytes: Uint8Array): DockerImage[] {
  try {
    const json: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (!Array.isArray(json)) throw new Error('it is not a list');
    return json.map(parseImage);
  } catch (thrown) {
    throw archiveInvalid(files.place, `manifest.json: ${messageOf(thrown)}`, thrown);
  }
}

function parseImage(json: unknown, at: number): DockerImage {
  if (typeof json !== 'object' || json === null) throw new Error(`entry ${at} is not an object`);
  const { Config: config, Layers: layers, RepoTags: names } = json as Readonly<Record<string, unknown>>;
  if (typeof config !== 'string') throw new Error(`entry ${at} has no Config`);
  if (!isTextList(layers) || layers.length > Bounds.layers) throw new Error(`entry ${at} has no list of Layers`);
  return { config, layers, names: isTextList(names) ? names : [] };
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}
