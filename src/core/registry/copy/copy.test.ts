import { describe, expect, test } from 'bun:test';
import { cosignTags, type Descriptor, type Digest, parseManifest, referrersTag, type TagName } from '#core/oci';
import { systemClock } from '#core/std';
import { memory } from '../memory/memory.ts';
import type { Registry } from '../types.ts';
import { type Copied, type CopyOptions, copy } from './copy.ts';
import { CopyError } from './error.ts';
import { counted, createFixture, REPO, TEST_CALL } from './fixture.ts';
import type { CopyEvent } from './types.ts';
import { missingContent } from './verify.ts';

const AMD = { os: 'linux', architecture: 'amd64' };
const ARM = { os: 'linux', architecture: 'arm64' };
const tag = (text: string) => text as TagName;

const run = (
  source: Registry,
  destination: Registry,
  reference: string,
  options: Partial<CopyOptions> = {},
): Promise<Copied> =>
  copy(
    source,
    destination,
    { repository: REPO, reference: reference as TagName | Digest },
    { call: TEST_CALL, clock: systemClock(), limits: { retryDelayMs: 1 }, ...options },
  );

const missing = (registry: Registry, reference: string, platforms: readonly (typeof AMD)[] = []) =>
  missingContent(registry, { repository: REPO, reference: reference as TagName, platforms }, TEST_CALL);

const caught = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );

async function digestAt(registry: Registry, reference: string): Promise<Digest> {
  return (await registry.resolveManifest(REPO, tag(reference), TEST_CALL)).value.digest;
}

describe('copy', () => {
  test('brings an image, byte for byte, and its tag', async () => {
    const source = createFixture(memory());
    const image = await source.image('a', { tags: ['1.0'], layers: ['one', 'two'] });
    const destination = memory();
    const copied = await run(source.registry, destination, '1.0');
    expect(copied.digest).toBe(image.digest);
    expect(await digestAt(destination, '1.0')).toBe(image.digest);
    expect(await missing(destination, '1.0')).toEqual([]);
    expect(copied.totals).toMatchObject({ blobsUploaded: 3, blobsMounted: 0, manifests: 1 });
  });

  test('asks for little: 5 layers, no referrers API', async () => {
    const inner = createFixture(memory({ referrers: false }));
    await inner.image('a', { tags: ['1.0'], layers: ['1', '2', '3', '4', '5'] });
    const source = counted(inner.registry);
    const destination = counted(memory({ referrers: false }));
    await run(source.registry, destination.registry, '1.0');
    expect(source.calls.toSorted()).toEqual(
      ['getManifest', ...Array(6).fill('getBlob'), 'tags', 'referrers'].toSorted(),
    );
    expect(destination.calls).toEqual([...Array(6).fill('mountBlob'), 'putManifest']);
  });

  test('a second copy uploads nothing', async () => {
    const source = createFixture(memory());
    await source.image('a', { tags: ['1.0'] });
    const destination = memory();
    await run(source.registry, destination, '1.0');
    const again = await run(source.registry, destination, '1.0');
    expect(again.totals).toMatchObject({ blobsUploaded: 0, blobsMounted: 2 });
  });

  test('by digest needs no tag and sets none', async () => {
    const source = createFixture(memory());
    const image = await source.image('a', { tags: ['1.0'] });
    const destination = memory();
    await run(source.registry, destination, image.digest);
    expect(await missing(destination, image.digest)).toEqual([]);
    const { value } = await destination.tags(REPO, { limit: 10 }, TEST_CALL);
    expect(value.items).toEqual([]);
  });

  test('layers that may not be redistributed stay where they are', async () => {
    const source = createFixture(memory());
    const foreign: Descriptor = {
      mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar',
      digest: `sha256:${'ab'.repeat(32)}` as Digest,
      size: 7,
      urls: ['https://example.com/layer'],
    };
    await source.image('a', { tags: ['1.0'], extraLayers: [foreign] });
    const copied = await run(source.registry, memory(), '1.0');
    expect(copied.totals.blobsUploaded).toBe(2);
  });
});

/** An index of two platforms; a signature by tag on it, a referrer on one child, and a referrer of that. */
async function signedIndex(registry: Registry) {
  const made = createFixture(registry);
  const amd = await made.image('amd', { platform: AMD });
  const arm = await made.image('arm', { platform: ARM });
  const index = await made.index([amd, arm], { tags: ['1.0'] });
  const sigTag = cosignTags(index.digest)[0] ?? '';
  const sig = await made.image('sig', { tags: [sigTag] });
  const sbom = await made.image('sbom', { subject: amd });
  const sbomSig = await made.image('signature of sbom', { subject: sbom });
  return { amd, arm, index, sig, sigTag, sbom, sbomSig };
}

async function addFallbackTags(registry: Registry, lists: readonly (readonly [Descriptor, Descriptor])[]) {
  const made = createFixture(registry);
  for (const [subject, referrer] of lists) await made.index([referrer], { tags: [referrersTag(subject.digest)] });
}

const KINDS = [
  { name: 'referrers API on both sides', source: true, destination: true },
  { name: 'fallback tags at the source', source: false, destination: true },
  { name: 'fallback tags at the destination', source: true, destination: false },
  { name: 'fallback tags on both sides', source: false, destination: false },
];

describe.each(KINDS)('what hangs on an image: $name', (kind) => {
  test('is copied before the tag moves', async () => {
    const source = memory({ referrers: kind.source });
    const { amd, index, sig, sigTag, sbom, sbomSig } = await signedIndex(source);
    const lists = [[amd, sbom] as const, [sbom, sbomSig] as const];
    if (!kind.source) await addFallbackTags(source, lists);
    const destination = memory({ referrers: kind.destination });
    const events: CopyEvent[] = [];
    await run(source, destination, '1.0', { onEvent: (event) => events.push(event) });

    expect(await digestAt(destination, sigTag)).toBe(sig.digest);
    for (const [subject, referrer] of lists) {
      const { value } = await destination.referrers(REPO, subject.digest, {}, TEST_CALL);
      expect(value.items.map(({ digest }) => digest)).toEqual([referrer.digest]);
      expect(await missing(destination, referrer.digest)).toEqual([]);
    }
    const last = events.at(-1);
    expect(last).toMatchObject({ kind: 'manifest-done', digest: index.digest, tags: ['1.0'] });
    expect(events.filter((event) => event.kind === 'warning')).toEqual([]);
  });
});

describe('fallback tags', () => {
  test('what others listed at the destination stays', async () => {
    const source = createFixture(memory());
    const image = await source.image('a', { tags: ['1.0'] });
    const ours = await source.image('ours', { subject: image });
    const destination = createFixture(memory({ referrers: false }));
    const theirs = await destination.image('theirs', { subject: image });
    await addFallbackTags(destination.registry, [[image, theirs]]);
    await run(source.registry, destination.registry, '1.0');
    const { value } = await destination.registry.getManifest(REPO, referrersTag(image.digest), TEST_CALL);
    const listed = parseManifest(value.bytes, value.descriptor.mediaType).manifests;
    expect(listed.map(({ digest }) => digest)).toEqual([theirs.digest, ours.digest]);
  });

  test('a list that is stale is followed as far as it is true, and said', async () => {
    const source = createFixture(memory({ referrers: false }));
    const image = await source.image('a', { tags: ['1.0'] });
    const gone = { ...image, digest: `sha256:${'cd'.repeat(32)}` as Digest };
    const unrelated = await source.image('unrelated');
    await source.index([gone, unrelated], { tags: [referrersTag(image.digest)] });
    const events: CopyEvent[] = [];
    const destination = memory();
    await run(source.registry, destination, '1.0', { onEvent: (event) => events.push(event) });
    const warnings = events.flatMap((event) =>
      event.kind === 'warning' ? [event.message.replace(/^.* and /, '')] : [],
    );
    expect(warnings.toSorted()).toEqual(['is none', 'is not there']);
    expect(await missing(destination, unrelated.digest)).not.toEqual([]);
  });
});

describe('platforms', () => {
  test('a part of an index keeps its digest', async () => {
    const source = memory();
    const { amd, arm, index, sbom } = await signedIndex(source);
    const destination = memory();
    await run(source, destination, '1.0', { platforms: [AMD] });
    expect(await digestAt(destination, '1.0')).toBe(index.digest);
    expect(await missing(destination, '1.0', [AMD])).toEqual([]);
    expect(await missing(destination, amd.digest)).toEqual([]);
    expect(await missing(destination, sbom.digest)).toEqual([]);
    expect(await missing(destination, arm.digest)).toEqual([{ kind: 'manifest', reference: arm.digest }]);
  });

  test('where a destination needs every child: a refusal that says what to do', async () => {
    const source = memory();
    await signedIndex(source);
    const known = counted(memory({ sparseIndex: false }));
    const inner = memory({ sparseIndex: false });
    const unknown = counted({ ...inner, extras: {} });
    for (const destination of [known, unknown]) {
      const error = await caught(run(source, destination.registry, '1.0', { platforms: [AMD] }));
      expect(error).toBeInstanceOf(CopyError);
      expect(error).toMatchObject({ code: 'UNSUPPORTED', origin: 'destination' });
      expect((error as CopyError).hint).toContain('copy all platforms');
      const { value } = await destination.registry
        .tags(REPO, { limit: 10 }, TEST_CALL)
        .catch(() => ({ value: { items: [] } }));
      expect(value.items as string[]).not.toContain('1.0');
    }
    expect(known.count('mountBlob')).toBe(0);
  });

  test('a platform that the index has not is said before anything moves', async () => {
    const source = memory();
    await signedIndex(source);
    const destination = counted(memory());
    const wanted = { os: 'linux', architecture: 's390x' };
    const error = await caught(run(source, destination.registry, '1.0', { platforms: [wanted] }));
    expect(error).toMatchObject({ code: 'MANIFEST_UNKNOWN', origin: 'source' });
    expect((error as CopyError).why).toContain('linux/amd64, linux/arm64');
    expect(destination.calls).toEqual([]);
  });
});
