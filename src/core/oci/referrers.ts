import { type Descriptor, descriptorToJson } from './descriptor.ts';
import { algorithmOf, type Digest, hexOf, tryParseDigest } from './digest.ts';
import { artifactTypeOf, type Manifest } from './manifest.ts';
import { MediaType } from './media-type.ts';
import type { TagName } from './name.ts';

/** The tag under which clients keep the referrers of a digest where the API is absent. Spec, "Referrers Tag Schema". */
export function referrersTag(subject: Digest): TagName {
  return `${algorithmOf(subject)}-${hexOf(subject).slice(0, 64)}` as TagName;
}

/** What cosign hangs on a digest by tag: signatures, attestations, SBOMs. */
export const COSIGN_SUFFIXES = ['sig', 'att', 'sbom'] as const;

export function cosignTags(subject: Digest): TagName[] {
  return COSIGN_SUFFIXES.map((suffix) => `${referrersTag(subject)}.${suffix}` as TagName);
}

const DIGEST_TAG = /^(sha256|sha512)-([0-9a-f]{64})(?:\.(?:sig|att|sbom))?$/;

/**
 * Whether a tag is a referrers or cosign tag: nobody selects those by name, they follow their subject.
 * The sha256 subject it belongs to, if it can be told (a sha512 one is truncated in the tag).
 */
export function parseDigestTag(tag: string): { subject: Digest | undefined } | undefined {
  const match = DIGEST_TAG.exec(tag);
  if (!match) return undefined;
  return { subject: match[1] === 'sha256' ? tryParseDigest(`sha256:${match[2]}`) : undefined };
}

/** The descriptor by which a manifest stands in the referrers list of its subject. */
export function referrerDescriptor(digest: Digest, sizeBytes: number, manifest: Manifest): Descriptor {
  const artifactType = artifactTypeOf(manifest);
  return {
    mediaType: manifest.mediaType,
    digest,
    size: sizeBytes,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(manifest.annotations ? { annotations: manifest.annotations } : {}),
  };
}

/** The image index that lists referrers: body of the API and of the fallback tag. */
export function referrersIndex(referrers: readonly Descriptor[]): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: MediaType.ociIndex,
    manifests: referrers.map(descriptorToJson),
  });
}
