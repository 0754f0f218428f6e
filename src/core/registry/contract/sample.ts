import { type Descriptor, type Digest, digestOf, MediaType, parseRepository, parseTag } from '#core/oci';
import { type ByteStream, streamFrom } from '#core/std';
import { bodyOf } from '../answer.ts';
import type { BlobAnswer, Call, Page, PageOptions, Registry, Served } from '../types.ts';

export const repo = parseRepository;
export const tag = parseTag;

/** A call as tests make it: by a person called `alice`, unless told otherwise. */
export function testCall(overrides: Partial<Call> = {}): Call {
  return { principal: { kind: 'person', name: 'alice' }, requestId: 'test', purpose: 'push', ...overrides };
}

export type SampleBlob = { readonly digest: Digest; readonly bytes: Uint8Array };

/** Bytes that nobody else has, from a seed: the same every time. */
export function sampleBytes(seed: string, sizeBytes = 64): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  let block = digestOf(seed);
  for (let at = 0; at < sizeBytes; at += 64) {
    bytes.set(new TextEncoder().encode(block.slice(7)).subarray(0, sizeBytes - at), at);
    block = digestOf(block);
  }
  return bytes;
}

export function sampleBlob(seed: string, sizeBytes?: number, algorithm: 'sha256' | 'sha512' = 'sha256'): SampleBlob {
  const bytes = sampleBytes(seed, sizeBytes);
  return { digest: digestOf(bytes, algorithm), bytes };
}

export type SampleManifest = { readonly descriptor: Descriptor; readonly bytes: Uint8Array };
export type SampleImage = SampleManifest & {
  readonly config: SampleBlob;
  /** The config and the layers. */
  readonly blobs: readonly SampleBlob[];
};

export type SampleImageOptions = {
  readonly layers?: number;
  readonly layerBytes?: number;
  readonly docker?: boolean;
  readonly subject?: Descriptor;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
};

/** An image: its blobs, and the manifest in bytes that no serialiser would make (so a re-encoding shows). */
export function sampleImage(seed: string, options: SampleImageOptions = {}): SampleImage {
  const config = sampleBlob(`${seed} config`);
  const layers = Array.from({ length: options.layers ?? 2 }, (_, index) =>
    sampleBlob(`${seed} layer ${index}`, options.layerBytes),
  );
  const types = options.docker ? DOCKER_TYPES : OCI_TYPES;
  return {
    ...sampleManifest(types.manifest, {
      config: blobDescriptor(types.config, config),
      layers: layers.map((layer) => blobDescriptor(types.layer, layer)),
      ...artifactFields(options),
    }),
    config,
    blobs: [config, ...layers],
  };
}

const OCI_TYPES = { manifest: MediaType.ociManifest, config: MediaType.ociConfig, layer: MediaType.ociLayerGzip };
const DOCKER_TYPES = {
  manifest: MediaType.dockerManifest,
  config: 'application/vnd.docker.container.image.v1+json',
  layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
};

/** An index of manifests made before. */
export function sampleIndex(
  children: readonly SampleManifest[],
  options: Omit<SampleImageOptions, 'layers' | 'layerBytes'> = {},
): SampleManifest {
  const manifests = children.map(({ descriptor }, index) => ({
    ...descriptor,
    platform: { os: 'linux', architecture: ['amd64', 'arm64', 's390x'][index] ?? `arch${index}` },
  }));
  return sampleManifest(options.docker ? MediaType.dockerList : MediaType.ociIndex, {
    manifests,
    ...artifactFields(options),
  });
}

function artifactFields({ subject, artifactType, annotations }: SampleImageOptions) {
  return {
    ...(subject ? { subject } : {}),
    ...(artifactType ? { artifactType } : {}),
    ...(annotations ? { annotations } : {}),
  };
}

export function sampleManifest(mediaType: string, fields: Readonly<Record<string, unknown>>): SampleManifest {
  const text = `\n${JSON.stringify({ ...fields, mediaType, schemaVersion: 2 }, null, '\t ')}\n`;
  const bytes = new TextEncoder().encode(text);
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.byteLength }, bytes };
}

function blobDescriptor(mediaType: string, { digest, bytes }: SampleBlob): Descriptor {
  return { mediaType, digest, size: bytes.byteLength };
}

export type PushOptions = { readonly tags?: readonly string[] };

/** Pushes an image's blobs, then its manifest with the tags. */
export async function pushImage(registry: Registry, name: string, image: SampleImage, options: PushOptions = {}) {
  for (const { digest, bytes } of image.blobs) {
    await registry.putBlob(repo(name), { digest, size: bytes.byteLength }, bytes, testCall());
  }
  return await pushManifest(registry, name, image, options);
}

export async function pushManifest(
  registry: Registry,
  name: string,
  manifest: SampleManifest,
  options: PushOptions = {},
) {
  const { mediaType } = manifest.descriptor;
  const tags = (options.tags ?? []).map(tag);
  return await registry.putManifest(repo(name), manifest.bytes, { mediaType, tags }, testCall());
}

/** The bytes of a blob that a registry answered. */
export async function bytesOf(answer: Served<BlobAnswer>): Promise<Uint8Array> {
  return await new Response(bodyOf(answer.value)).bytes();
}

/** A stream that comes in pieces, as from a network. */
export function streamInPieces(bytes: Uint8Array, pieceBytes: number): ByteStream {
  return streamFrom(
    (async function* () {
      for (let at = 0; at < bytes.byteLength; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
    })(),
  );
}

/** All pages of a list, one after the other. */
export async function allPages<T>(
  list: (options: PageOptions) => Promise<Page<T>>,
  limit: number,
): Promise<{ readonly pages: readonly (readonly T[])[]; readonly items: readonly T[] }> {
  const pages: (readonly T[])[] = [];
  let after: string | undefined;
  do {
    const page = await list({ limit, ...(after === undefined ? {} : { after }) });
    pages.push(page.items);
    after = page.next;
  } while (after !== undefined && pages.length < 1000);
  return { pages, items: pages.flat() };
}
