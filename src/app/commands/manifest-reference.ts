import { type ManifestReference, parseTag, RegistryError, tryParseManifestReference } from '#core/oci';

/** A tag or digest as somebody typed it. Throws TAG_INVALID, DIGEST_INVALID. */
export function parseManifestReference(text: string): ManifestReference {
  const reference = tryParseManifestReference(text);
  if (reference !== undefined) return reference;
  // parseTag says what a tag is made of; a colon can only be a wrong digest.
  if (!text.includes(':')) return parseTag(text);
  throw new RegistryError('DIGEST_INVALID', `"${text.slice(0, 80)}" is not a digest`, {
    hint: 'write sha256: and 64 hexadecimal digits',
  });
}
