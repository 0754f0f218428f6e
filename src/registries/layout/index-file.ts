import { Bounds, type Descriptor, type Digest, MediaType, parseDescriptor, type TagName, tryParseTag } from '#core/oci';
import { messageOf } from '#core/std';
import { type LayoutFiles, layoutInvalid, parseJsonObject, readSmall } from './files.ts';

type Json = Readonly<Record<string, unknown>>;

/** One line of `index.json`. `json` is the line as it stands, so that what others wrote in it stays. */
export type Entry = {
  readonly descriptor: Descriptor;
  readonly tag?: TagName;
  /** The name in the annotation, when it is more than a tag: `quay.io/vendor/nginx:1.27`. */
  readonly name?: string;
  readonly json: Json;
};

/** image-spec annotations.md. */
const REF_NAME = 'org.opencontainers.image.ref.name';

/** The entries of `index.json`; undefined when there is none: an empty folder. Throws LAYOUT_INVALID. */
export async function readIndex(files: LayoutFiles): Promise<Entry[] | undefined> {
  const marker = await readSmall(files, 'oci-layout', Bounds.errorBodyBytes);
  const bytes = await readSmall(files, 'index.json', Bounds.manifestBytes);
  if (!marker && !bytes) return undefined;
  if (!marker) throw layoutInvalid(files.place, 'it has no file "oci-layout"');
  const version = parseJsonObject(files, 'oci-layout', marker).imageLayoutVersion;
  if (version !== '1.0.0')
    throw layoutInvalid(files.place, `its layout version is ${JSON.stringify(version)}, not "1.0.0"`);
  if (!bytes) return [];
  const { manifests } = parseJsonObject(files, 'index.json', bytes);
  if (manifests !== undefined && !Array.isArray(manifests)) {
    throw layoutInvalid(files.place, '"manifests" of index.json is not a list');
  }
  return (manifests ?? []).map((json: unknown, at: number) => parseEntry(files, json, at));
}

function parseEntry(files: LayoutFiles, json: unknown, at: number): Entry {
  try {
    const descriptor = parseDescriptor(json, `manifests[${at}]`);
    return { descriptor, json: json as Json, ...namesIn(descriptor.annotations?.[REF_NAME]) };
  } catch (thrown) {
    throw layoutInvalid(files.place, `index.json: ${messageOf(thrown)}`, thrown);
  }
}

/** Most tools write a tag; some write the whole name. */
function namesIn(refName: string | undefined): { tag?: TagName; name?: string } {
  if (refName === undefined) return {};
  const tag = tryParseTag(refName);
  if (tag) return { tag };
  const colon = refName.lastIndexOf(':');
  const behind = colon > refName.lastIndexOf('/') ? tryParseTag(refName.slice(colon + 1)) : undefined;
  return behind ? { tag: behind, name: refName.slice(0, colon) } : {};
}

export function newEntry(descriptor: Descriptor, tag: TagName | undefined): Entry {
  const { mediaType, digest, size } = descriptor;
  const plain = { mediaType, digest, size };
  if (tag === undefined) return { descriptor, json: plain };
  return { descriptor, tag, json: { ...plain, annotations: { [REF_NAME]: tag } } };
}

/** The entry as it is without its name. */
export function untagged({ descriptor, json }: Entry): Entry {
  const annotations = typeof json.annotations === 'object' ? { ...json.annotations } : {};
  delete (annotations as Record<string, unknown>)[REF_NAME];
  const { annotations: _, ...rest } = json;
  return { descriptor, json: Object.keys(annotations).length === 0 ? rest : { ...rest, annotations } };
}

export function indexBytes(entries: readonly Entry[]): Uint8Array {
  const manifests = entries.map(({ json }) => json);
  return new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests }));
}

export const LAYOUT_MARKER = new TextEncoder().encode('{"imageLayoutVersion":"1.0.0"}');

export function blobPath(digest: Digest): string {
  return `blobs/${digest.replace(':', '/')}`;
}
