import { Bounds } from './bounds.ts';
import { type Descriptor, invalid, objectAt, parseAnnotations, parseDescriptor } from './descriptor.ts';
import { RegistryError } from './error.ts';
import { isNonDistributable, type ManifestKind, manifestKindOf, withoutParameters } from './media-type.ts';

/** What the program needs to know of a manifest. The bytes stay the truth: they are never re-encoded. */
export type Manifest = {
  readonly kind: ManifestKind;
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly subject?: Descriptor;
  /** Of an image or artifact. */
  readonly config?: Descriptor;
  readonly layers: readonly Descriptor[];
  /** Of an index. */
  readonly manifests: readonly Descriptor[];
};

/**
 * Reads a manifest. `contentType` is what it came with; it decides where the body says nothing.
 * Throws MANIFEST_INVALID, MANIFEST_TOO_LARGE.
 */
export function parseManifest(bytes: Uint8Array, contentType: string): Manifest {
  if (bytes.byteLength > Bounds.manifestBytes) throw manifestTooLarge(bytes.byteLength);
  const json = objectAt(parseJson(bytes), 'the body');
  const mediaType = mediaTypeOf(json, withoutParameters(contentType));
  const kind = manifestKindOf(mediaType);
  if (!kind) {
    throw new RegistryError('MANIFEST_INVALID', `manifest: media type "${mediaType.slice(0, 120)}" is not supported`, {
      hint: 'push an OCI image manifest or index, or a Docker v2 manifest or list',
    });
  }
  if (json.schemaVersion !== 2) throw invalid('schemaVersion is not 2');
  checkSpelling(json);
  // CVE-2021-41190: a body that is both an image and an index means two things to two readers.
  if (kind === 'image' && json.manifests !== undefined) throw invalid('an image manifest cannot have "manifests"');
  if (kind === 'index' && (json.layers !== undefined || json.config !== undefined)) {
    throw invalid('an index cannot have "layers" or "config"');
  }
  return { ...commonParts(json), ...(kind === 'image' ? imageParts(json) : indexParts(json)), kind, mediaType };
}

const KEYS = ['schemaVersion', 'mediaType', 'config', 'layers', 'manifests', 'subject', 'artifactType', 'annotations'];
const KEY_OF_LOWER = new Map(KEYS.map((key) => [key.toLowerCase(), key]));

/** Go reads keys in any case, other readers do not: `Layers` would mean two things, as in CVE-2021-41190. */
function checkSpelling(json: Readonly<Record<string, unknown>>): void {
  for (const key of Object.keys(json)) {
    const known = KEY_OF_LOWER.get(key.toLowerCase());
    if (known !== undefined && known !== key) throw invalid(`"${key}" is not "${known}"`);
  }
}

export function manifestTooLarge(sizeBytes: number | undefined): RegistryError {
  const size = sizeBytes === undefined ? '' : ` of ${sizeBytes} bytes`;
  return new RegistryError('MANIFEST_TOO_LARGE', `manifest${size} exceeds ${Bounds.manifestBytes} bytes`);
}

/** Blobs that must exist in the repository before the manifest: config and layers that may be distributed. */
export function requiredBlobs(manifest: Manifest): Descriptor[] {
  const blobs = manifest.config ? [manifest.config, ...manifest.layers] : [...manifest.layers];
  return blobs.filter((blob) => !(isNonDistributable(blob.mediaType) && (blob.urls?.length ?? 0) > 0));
}

/** The artifact type a referrers list shows: the manifest's own, else an image's config type. Spec, "Listing Referrers". */
export function artifactTypeOf(manifest: Manifest): string | undefined {
  if (manifest.artifactType) return manifest.artifactType;
  return manifest.kind === 'image' ? manifest.config?.mediaType : undefined;
}

function commonParts(json: Readonly<Record<string, unknown>>) {
  const annotations = parseAnnotations(json.annotations, 'annotations');
  const subject =
    json.subject === undefined || json.subject === null ? undefined : parseDescriptor(json.subject, 'subject');
  return {
    ...(typeof json.artifactType === 'string' && json.artifactType !== '' ? { artifactType: json.artifactType } : {}),
    ...(annotations ? { annotations } : {}),
    ...(subject ? { subject } : {}),
  };
}

function imageParts(json: Readonly<Record<string, unknown>>) {
  const config = parseDescriptor(json.config, 'config');
  return { config, layers: descriptorsAt(json.layers, 'layers', Bounds.layers), manifests: [] };
}

function indexParts(json: Readonly<Record<string, unknown>>) {
  return { layers: [], manifests: descriptorsAt(json.manifests, 'manifests', Bounds.children) };
}

function descriptorsAt(value: unknown, place: string, limit: number): Descriptor[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(`${place} is not a list`);
  if (value.length > limit) throw invalid(`${place} has ${value.length} entries, more than ${limit}`);
  return value.map((entry, index) => parseDescriptor(entry, `${place}[${index}]`));
}

function mediaTypeOf(json: Readonly<Record<string, unknown>>, contentType: string): string {
  const declared = json.mediaType;
  if (declared === undefined || declared === '') {
    if (manifestKindOf(contentType)) return contentType;
    // Clients that send no type: the body's shape decides between the two OCI types.
    return Array.isArray(json.manifests)
      ? 'application/vnd.oci.image.index.v1+json'
      : 'application/vnd.oci.image.manifest.v1+json';
  }
  if (typeof declared !== 'string') throw invalid('mediaType is not a string');
  if (contentType !== '' && contentType !== declared && manifestKindOf(contentType)) {
    throw invalid(`mediaType "${declared.slice(0, 120)}" differs from Content-Type "${contentType}"`);
  }
  return declared;
}

/** A byte order mark stays in the text, where JSON does not allow it: others refuse such a body too. */
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function parseJson(bytes: Uint8Array): unknown {
  try {
    const text = UTF8.decode(bytes);
    if (isDeeperThan(text, Bounds.jsonDepth)) throw invalid(`nested deeper than ${Bounds.jsonDepth}`);
    return JSON.parse(text);
  } catch (cause) {
    if (cause instanceof RegistryError) throw cause;
    throw new RegistryError('MANIFEST_INVALID', 'manifest: the body is not JSON', { cause });
  }
}

/** Whether brackets nest beyond a limit: asked before parsing, which takes long over a body of brackets alone. */
function isDeeperThan(text: string, limit: number): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === 0x7b || code === 0x5b) depth++;
    else if (code === 0x7d || code === 0x5d) depth--;
    if (depth > limit) return true;
  }
  return false;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end > 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end < 0 ? text.length : end;
}

function isEscaped(text: string, at: number): boolean {
  let before = at;
  while (text.charCodeAt(before - 1) === BACKSLASH) before--;
  return (at - before) % 2 === 1;
}
