import { describe, expect, test } from 'bun:test';
import { parseDigest } from './digest.ts';
import { parseManifest } from './manifest.ts';
import { MediaType } from './media-type.ts';
import { cosignTags, parseDigestTag, referrerDescriptor, referrersIndex, referrersTag } from './referrers.ts';

const hex = 'ab'.repeat(32);
const digest = parseDigest(`sha256:${hex}`);
const wide = parseDigest(`sha512:${hex}${hex}`);

describe('tags that belong to a digest', () => {
  test('are made as clients make them', () => {
    expect(referrersTag(digest) as string).toBe(`sha256-${hex}`);
    // Spec: the encoded part is cut to 64 characters.
    expect(referrersTag(wide) as string).toBe(`sha512-${hex}`);
    expect(cosignTags(digest) as string[]).toEqual([`sha256-${hex}.sig`, `sha256-${hex}.att`, `sha256-${hex}.sbom`]);
  });

  const cases = [
    { name: 'a referrers tag', tag: `sha256-${hex}`, found: { subject: digest } },
    { name: 'a signature', tag: `sha256-${hex}.sig`, found: { subject: digest } },
    { name: 'a cut sha512', tag: `sha512-${hex}`, found: { subject: undefined } },
    { name: 'another suffix', tag: `sha256-${hex}.txt`, found: undefined },
    { name: 'a shorter one', tag: `sha256-${hex.slice(1)}`, found: undefined },
    { name: 'an ordinary tag', tag: 'latest', found: undefined },
  ];
  for (const { name, tag, found } of cases) test(`are told: ${name}`, () => expect(parseDigestTag(tag)).toEqual(found));
});

test('an index of referrers is a manifest that holds their descriptors', () => {
  const text = JSON.stringify({
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    artifactType: 'application/x',
    config: { mediaType: MediaType.ociEmpty, digest, size: 2 },
    annotations: { a: 'b' },
  });
  const manifest = parseManifest(new TextEncoder().encode(text), '');
  const referrer = referrerDescriptor(digest, 123, manifest);
  expect(referrer).toEqual({
    mediaType: MediaType.ociManifest,
    digest,
    size: 123,
    artifactType: 'application/x',
    annotations: { a: 'b' },
  });
  const index = parseManifest(new TextEncoder().encode(referrersIndex([referrer])), MediaType.ociIndex);
  expect(index.manifests).toEqual([referrer]);
});
