import { describe, expect, test } from 'bun:test';
import { cosignTags, parsePlatform, RegistryError } from '#core/oci';
import {
  bytesOf,
  expectCode,
  pushImage,
  pushManifest,
  repo,
  sampleImage,
  sampleIndex,
  tag,
} from '#core/registry/contract';
import { DAY, fixture, HUB, MINUTE, PULL, REDIS, REDIS_THERE, rulesWith, SEVEN } from './proxy.fake.ts';
import type { WarmProgress } from './proxy.ts';

const amd64 = sampleImage('amd64');
const arm64 = sampleImage('arm64');
const index = sampleIndex([amd64, arm64]);

async function withIndex(options: Parameters<typeof fixture>[0] = {}) {
  const all = fixture(options);
  await pushImage(all.upstream.registry, REDIS_THERE, amd64);
  await pushImage(all.upstream.registry, REDIS_THERE, arm64);
  await pushManifest(all.upstream.registry, REDIS_THERE, index, { tags: ['7'] });
  return all;
}

describe('explain', () => {
  test('before, after, later, and when the upstream is never asked: what a pull then does', async () => {
    const { proxy, upstream, clock, again } = await withIndex();
    const explain = (each = proxy) => each.explain(REDIS, SEVEN, PULL);
    expect(await explain()).toMatchObject({
      namespace: 'hub',
      upstream: { host: 'docker.io', repository: 'library/redis' },
      rule: 'freshness',
      cached: false,
      next: 'fetch',
    });
    const startMs = clock.now();
    await proxy.getManifest(REDIS, SEVEN, PULL);
    await proxy.getManifest(REDIS, amd64.descriptor.digest, PULL);
    await bytesOf(await proxy.getBlob(REDIS, amd64.config.digest, {}, PULL));
    upstream.take();
    expect(await explain()).toMatchObject({
      cached: true,
      digest: index.descriptor.digest,
      checkedAtMs: startMs,
      freshUntilMs: startMs + 10 * MINUTE,
      servedStaleUntilMs: startMs + 10 * MINUTE + 30 * DAY,
      next: 'hit',
      blobs: { here: 1, all: 3, bytesHere: amd64.config.bytes.byteLength, bytes: 3 * 64 },
    });
    clock.advance(10 * MINUTE);
    expect(await explain()).toMatchObject({ next: 'revalidate', why: 'it is past freshFor (asked 10 min ago)' });
    expect(await explain(again(rulesWith({ offline: true })))).toMatchObject({ next: 'offline' });
    const versions = rulesWith({}, { byTag: [{ tags: ['7'], immutable: true }] });
    expect(await explain(again(versions))).toMatchObject({ next: 'hit', rule: 'freshness[0] (7)' });
    expect(await proxy.explain(REDIS, amd64.descriptor.digest, PULL)).toMatchObject({ next: 'hit', rule: 'digest' });
    await proxy.getManifest(REDIS, tag('none'), PULL).catch(() => {});
    expect(await proxy.explain(REDIS, tag('none'), PULL)).toMatchObject({ next: 'negative', cached: false });
    expect(upstream.take()).toEqual(['GET library/redis:none']);
  });

  test('at the reserve', async () => {
    const { proxy, upstream, clock } = await withIndex();
    upstream.reservePulls = 10;
    upstream.quotas = [{ account: 'corp', remaining: 10, resetAtMs: clock.now() + 1, seenAtMs: 0 }];
    expect(await proxy.explain(REDIS, SEVEN, PULL)).toMatchObject({
      next: 'denied',
      why: expect.stringContaining('reserve'),
    });
  });
});

describe('forget', () => {
  test('the next pull asks again; what is not here cannot be forgotten', async () => {
    const { proxy, upstream } = await withIndex();
    await expectCode(proxy.forget(REDIS, SEVEN, PULL), 'MANIFEST_UNKNOWN');
    await proxy.getManifest(REDIS, SEVEN, PULL);
    await proxy.forget(repo('hub/redis'), SEVEN, PULL);
    await proxy.getManifest(REDIS, SEVEN, PULL);
    await proxy.forget(REDIS, index.descriptor.digest, PULL);
    await proxy.getManifest(REDIS, index.descriptor.digest, PULL);
    expect(upstream.take()).toEqual([
      'GET library/redis:7',
      'GET library/redis:7',
      `GET library/redis@${index.descriptor.digest}`,
    ]);
  });

  test('an absence too', async () => {
    const { proxy, upstream } = fixture();
    await proxy.getManifest(REDIS, SEVEN, PULL).catch(() => {});
    await proxy.forget(REDIS, SEVEN, PULL);
    await proxy.getManifest(REDIS, SEVEN, PULL).catch(() => {});
    expect(upstream.take().length).toBe(2);
  });
});

describe('keepWithin', () => {
  const images = Array.from({ length: 6 }, (_, nth) => sampleImage(`image ${nth}`, { layers: 1, layerBytes: 100_000 }));
  const filled = async (maxBytes: number, pinned: readonly string[] = []) => {
    const all = fixture();
    for (const [nth, image] of images.entries()) {
      await pushImage(all.upstream.registry, REDIS_THERE, image, { tags: [`v${nth}`] });
    }
    all.proxy.keepWithin(maxBytes, (_, name) => name !== undefined && pinned.includes(name));
    for (const [nth, image] of images.entries()) {
      await all.proxy.getManifest(REDIS, tag(`v${nth}`), PULL);
      for (const blob of image.blobs) await bytesOf(await all.proxy.getBlob(REDIS, blob.digest, {}, PULL));
      await Bun.sleep(1);
      await all.proxy.close();
    }
    return all;
  };
  const tagsHere = async ({ store }: Awaited<ReturnType<typeof filled>>) =>
    (await store.tags(REDIS, { limit: 10 }, PULL)).value.items;

  test('what was used longest ago goes, down to nine tenths; what is pinned stays', async () => {
    const all = await filled(350_000, ['v0']);
    expect((await all.proxy.usage()).bytes).toBeLessThanOrEqual(350_000);
    const left = await tagsHere(all);
    expect(left).toContain(tag('v0'));
    expect(left).toContain(tag('v5'));
    expect(left).not.toContain(tag('v1'));
    const evictions = all.events.filter(({ kind }) => kind === 'evicted');
    expect(evictions.length).toBeGreaterThan(0);
    // What went is fetched again.
    expect((await all.proxy.getManifest(REDIS, tag('v1'), PULL)).served.verdict).toBe('miss');
  });

  test('what is being pulled stays, by digest too', async () => {
    const { proxy, upstream, store } = fixture();
    const image = images[0] ?? sampleImage('none');
    await pushImage(upstream.registry, REDIS_THERE, image);
    const gate = Promise.withResolvers<void>();
    await proxy.getManifest(REDIS, image.descriptor.digest, PULL);
    const [config, layer] = image.blobs;
    if (!config || !layer) throw new Error('an image without blobs');
    await bytesOf(await proxy.getBlob(REDIS, config.digest, {}, PULL));
    upstream.gate = gate.promise;
    const pulling = proxy.getBlob(REDIS, layer.digest, {}, PULL);
    await Bun.sleep(1);
    proxy.keepWithin(1, () => false);
    await proxy.close();
    expect((await store.resolveManifest(REDIS, image.descriptor.digest, PULL)).value.digest).toBe(
      image.descriptor.digest,
    );
    expect((await store.resolveBlob(REDIS, config.digest, PULL)).value.digest).toBe(config.digest);
    gate.resolve();
    await bytesOf(await pulling);
  });

  test('within the budget nothing goes', async () => {
    const all = await filled(10_000_000);
    expect((await tagsHere(all)).length).toBe(6);
    expect(all.events.filter(({ kind }) => kind === 'evicted')).toEqual([]);
  });
});

describe('warm', () => {
  test('an index with the blobs of one platform, its signatures by list and by tag; the next pull asks nobody', async () => {
    const { proxy, upstream } = await withIndex();
    const signature = sampleImage('signature', { subject: index.descriptor });
    await pushImage(upstream.registry, REDIS_THERE, signature);
    const [signatureTag = SEVEN] = cosignTags(amd64.descriptor.digest);
    const byTag = sampleImage('signature by tag');
    await pushImage(upstream.registry, REDIS_THERE, byTag, { tags: [signatureTag] });
    const seen: WarmProgress[] = [];
    const options = { platforms: [parsePlatform('linux/amd64')], onProgress: (each: WarmProgress) => seen.push(each) };
    const warmed = await proxy.warm(REDIS, SEVEN, options, PULL);
    const kinds = seen.map(({ kind }) => kind);
    expect([warmed.descriptor.digest, warmed.manifests, warmed.blobs]).toEqual([index.descriptor.digest, 4, 9]);
    expect(warmed.newBytes).toBe(warmed.bytes);
    expect(kinds.filter((kind) => kind === 'referrer').length).toBe(2);
    upstream.take();
    expect((await proxy.getManifest(REDIS, SEVEN, PULL)).served.verdict).toBe('hit');
    for (const blob of [...amd64.blobs, ...signature.blobs, ...byTag.blobs]) {
      expect((await proxy.getBlob(REDIS, blob.digest, {}, PULL)).served.verdict).toBe('hit');
    }
    expect((await proxy.getManifest(REDIS, signatureTag, PULL)).served.verdict).toBe('hit');
    expect((await proxy.referrers(REDIS, index.descriptor.digest, {}, PULL)).served.verdict).toBe('hit');
    expect(upstream.take()).toEqual([]);
    expect((await proxy.warm(REDIS, SEVEN, options, PULL)).newBytes).toBe(0);
    expect(upstream.take()).toEqual([]);
  });

  test('waits where the quota says so, and says why', async () => {
    const { proxy, upstream, clock } = await withIndex();
    let refusals = 2;
    upstream.failure = (question) =>
      question.startsWith('GET') && refusals-- > 0
        ? new RegistryError('TOOMANYREQUESTS', 'too many', { origin: 'upstream', retryAfterMs: 5 * MINUTE })
        : undefined;
    const startMs = clock.now();
    const waits: WarmProgress[] = [];
    const onProgress = (each: WarmProgress) => {
      if (each.kind === 'waiting') waits.push(each);
    };
    await proxy.warm(REDIS, SEVEN, { platforms: [], onProgress }, PULL);
    expect(waits).toEqual([
      { kind: 'waiting', untilMs: startMs + 5 * MINUTE, why: 'too many' },
      { kind: 'waiting', untilMs: startMs + 10 * MINUTE, why: 'too many' },
    ]);
    expect(clock.now()).toBe(startMs + 10 * MINUTE);
  });

  test('gives up where the limit does not end', async () => {
    const { proxy, upstream } = await withIndex();
    upstream.failure = () => new RegistryError('TOOMANYREQUESTS', 'too many', { origin: 'upstream' });
    await expectCode(proxy.warm(REDIS, SEVEN, { platforms: [] }, PULL), 'TOOMANYREQUESTS');
  });
});

test('counters tell hits, and what was saved', async () => {
  const { proxy } = await withIndex();
  for (let pull = 0; pull < 3; pull++) await proxy.getManifest(REDIS, SEVEN, PULL);
  const size = index.bytes.byteLength;
  expect(await proxy.counters()).toMatchObject({
    namespace: HUB,
    verdicts: { miss: 1, hit: 2 },
    bytesServed: 3 * size,
    bytesSaved: 2 * size,
    upstreamBytes: size,
    upstreamPulls: 1,
  });
});
