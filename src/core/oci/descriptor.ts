import { type Digest, tryParseDigest } from './digest.ts';
import { RegistryError } from './error.ts';
import type { Platform } from './platform.ts';

/** image-spec descriptor.md. */
export type Descriptor = {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes of the content. */
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Platform;
  /** Where content that may not be redistributed is found. Never followed by the server. */
  readonly urls?: readonly string[];
  /** The content itself, base64, for small things. */
  readonly data?: string;
};

type Json = Readonly<Record<string, unknown>>;

/** A JSON object, or MANIFEST_INVALID naming the place. */
export function objectAt(value: unknown, place: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw invalid(`${place} is not an object`);
}

export function invalid(message: string): RegistryError {
  return new RegistryError('MANIFEST_INVALID', `manifest: ${message}`);
}

/** A descriptor found at `place` of a manifest. Throws MANIFEST_INVALID. */
export function parseDescriptor(value: unknown, place: string): Descriptor {
  const json = objectAt(value, place);
  const digest = typeof json.digest === 'string' ? tryParseDigest(json.digest) : undefined;
  if (!digest) throw invalid(`${place}.digest is not a sha256 or sha512 digest`);
  if (typeof json.mediaType !== 'string' || json.mediaType === '') throw invalid(`${place}.mediaType is missing`);
  if (typeof json.size !== 'number' || !Number.isSafeInteger(json.size) || json.size < 0) {
    throw invalid(`${place}.size is not a whole number of bytes`);
  }
  const platform = parsePlatformObject(json.platform);
  const annotations = parseAnnotations(json.annotations, `${place}.annotations`);
  return {
    mediaType: json.mediaType,
    digest,
    size: json.size,
    ...(typeof json.artifactType === 'string' ? { artifactType: json.artifactType } : {}),
    ...(annotations ? { annotations } : {}),
    ...(platform ? { platform } : {}),
    ...(Array.isArray(json.urls) ? { urls: json.urls.filter((url) => typeof url === 'string') } : {}),
    ...(typeof json.data === 'string' ? { data: json.data } : {}),
  };
}

/** A map of strings, or undefined when absent. Throws MANIFEST_INVALID. */
export function parseAnnotations(value: unknown, place: string): Readonly<Record<string, string>> | undefined {
  if (value === undefined || value === null) return undefined;
  const json = objectAt(value, place);
  for (const [key, text] of Object.entries(json)) {
    if (typeof text !== 'string') throw invalid(`${place}["${key.slice(0, 80)}"] is not a string`);
  }
  return json as Readonly<Record<string, string>>;
}

function parsePlatformObject(value: unknown): Platform | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const json = value as Json;
  if (typeof json.os !== 'string' || typeof json.architecture !== 'string') return undefined;
  return {
    os: json.os,
    architecture: json.architecture,
    ...(typeof json.variant === 'string' && json.variant !== '' ? { variant: json.variant } : {}),
    ...(typeof json['os.version'] === 'string' ? { osVersion: json['os.version'] } : {}),
  };
}

/** A descriptor as it stands in JSON. */
export function descriptorToJson(descriptor: Descriptor): Json {
  const { platform, ...rest } = descriptor;
  if (!platform) return rest;
  const { osVersion, ...named } = platform;
  return { ...rest, platform: osVersion === undefined ? named : { ...named, 'os.version': osVersion } };
}
