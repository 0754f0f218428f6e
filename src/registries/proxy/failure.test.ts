import { describe, expect, test } from 'bun:test';
import { type OciCode, RegistryError, type RegistryErrorOptions } from '#core/oci';
import { expectCode, pushImage, sampleImage, sampleManifest, tag } from '#core/registry/contract';
import { AppError } from '#core/std';
import { DAY, fakeUpstream, fixture, MINUTE, PULL, REDIS, REDIS_THERE, rulesWith, SEVEN } from './proxy.fake.ts';
import type { Quota } from './types.ts';

const image = sampleImage('redis 7');
const { digest } = image.descriptor;
const fails =
  (code: OciCode, options: RegistryErrorOptions = {}) =>
  () =>
    new RegistryError(code, `docker.io answered ${code}`, {
      origin: 'upstream',
      why: 'docker.io said "sorry"',
      ...options,
    });

type Row = {
  readonly name: string;
  readonly failure: () => RegistryError;
  /** Without a copy. */
  readonly code: OciCode;
  readonly retryAfterMs?: number;
};

/** What the client of a proxy sees of each failure; with a copy that may be served it sees the copy. */
const TABLE: readonly Row[] = [
  { name: '401', failure: fails('UNAUTHORIZED'), code: 'UPSTREAM_DENIED' },
  { name: '403', failure: fails('DENIED'), code: 'UPSTREAM_DENIED' },
  {
    name: '429 with Retry-After',
    failure: fails('TOOMANYREQUESTS', { retryAfterMs: 7000 }),
    code: 'TOOMANYREQUESTS',
    retryAfterMs: 7000,
  },
  { name: '429 without', failure: fails('TOOMANYREQUESTS'), code: 'TOOMANYREQUESTS', retryAfterMs: 60_000 },
  { name: '500', failure: fails('UPSTREAM_UNAVAILABLE'), code: 'UPSTREAM_UNAVAILABLE' },
  { name: '507', failure: fails('INSUFFICIENT_STORAGE'), code: 'UPSTREAM_UNAVAILABLE' },
  { name: 'a timeout', failure: fails('UPSTREAM_TIMEOUT'), code: 'UPSTREAM_TIMEOUT' },
  { name: 'a wrong answer', failure: fails('UPSTREAM_INVALID'), code: 'UPSTREAM_INVALID' },
  { name: 'a proxy on the way', failure: fails('PROXY_FAILED'), code: 'PROXY_FAILED' },
  { name: 'a body that is too large', failure: fails('MANIFEST_TOO_LARGE'), code: 'UPSTREAM_INVALID' },
  { name: 'an answer nobody expects', failure: fails('REQUEST_INVALID'), code: 'UPSTREAM_UNAVAILABLE' },
];

describe('an upstream that fails', () => {
  for (const { name, failure, code, retryAfterMs } of TABLE) {
    test(`${name}: without a copy`, async () => {
      const { proxy, upstream, store } = fixture();
      upstream.failure = failure;
      for (const read of [
        proxy.getManifest(REDIS, SEVEN, PULL),
        proxy.resolveManifest(REDIS, SEVEN, PULL),
        proxy.getManifest(REDIS, digest, PULL),
        proxy.resolveBlob(REDIS, image.config.digest, PULL),
        proxy.tags(REDIS, { limit: 10 }, PULL),
        proxy.referrers(REDIS, digest, {}, PULL),
      ]) {
        const error = await read.then(
          () => undefined,
          (thrown) => thrown,
        );
        expect(error).toMatchObject({ code, origin: 'upstream', why: expect.stringContaining('sorry') });
        if (retryAfterMs !== undefined) expect(error.retryAfterMs).toBe(retryAfterMs);
      }
      expect((await store.repositories({ limit: 10 }, PULL)).value.items).toEqual([]);
    });

    test(`${name}: with a copy`, async () => {
      const { proxy, upstream, clock } = fixture();
      await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
      await proxy.getManifest(REDIS, SEVEN, PULL);
      clock.advance(15 * MINUTE);
      upstream.failure = failure;
      const { value, served } = await proxy.getManifest(REDIS, SEVEN, PULL);
      expect([value.descriptor.digest, served.verdict, served.ageSeconds]).toEqual([digest, 'stale-if-error', 900]);
      expect(served.warnings[0]).toContain('may be out of date');
      expect(served.reason).toContain('sorry');
      expect((await proxy.resolveManifest(REDIS, SEVEN, PULL)).served.verdict).toBe('stale-if-error');
      expect((await proxy.tags(REDIS, { limit: 10 }, PULL)).value.items).toEqual([SEVEN]);
      clock.advance(31 * DAY);
      const tooOld = await proxy.getManifest(REDIS, SEVEN, PULL).catch((thrown) => thrown);
      expect(tooOld).toMatchObject({ code, why: expect.stringContaining('more than staleIfError allows') });
      // By its digest it stays what it is.
      expect((await proxy.getManifest(REDIS, digest, PULL)).served.verdict).toBe('hit');
    });
  }

  test('one of our own, and the copy is served all the same', async () => {
    const { proxy, upstream, clock } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
    await proxy.getManifest(REDIS, SEVEN, PULL);
    clock.advance(15 * MINUTE);
    upstream.failure = () => new AppError('FILE_MISSING', 'no password file') as RegistryError;
    expect((await proxy.getManifest(REDIS, SEVEN, PULL)).served.verdict).toBe('stale-if-error');
  });

  test('a tag that has moved, and whose new content is not to be had', async () => {
    const { proxy, upstream, clock } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
    await proxy.getManifest(REDIS, SEVEN, PULL);
    const newer = sampleImage('newer');
    await pushImage(upstream.registry, REDIS_THERE, newer, { tags: ['7'] });
    clock.advance(15 * MINUTE);
    upstream.take();
    upstream.failure = (question) => (question.startsWith('GET') ? fails('TOOMANYREQUESTS')() : undefined);
    const stale = await proxy.getManifest(REDIS, SEVEN, PULL);
    expect([stale.value.descriptor.digest, stale.served.verdict]).toEqual([digest, 'stale-if-error']);
    // Who asks by HEAD first is not sent to a digest that is not to be had.
    const head = await proxy.resolveManifest(REDIS, SEVEN, PULL);
    expect([head.value.digest, head.served.verdict]).toEqual([digest, 'stale-if-error']);
    upstream.failure = undefined;
    const fresh = await proxy.getManifest(REDIS, SEVEN, PULL);
    expect([fresh.value.descriptor.digest, fresh.served.verdict]).toEqual([newer.descriptor.digest, 'refreshed']);
    const wanted = `GET library/redis@${newer.descriptor.digest}`;
    expect(upstream.take()).toEqual(['HEAD library/redis:7', wanted, wanted, wanted]);
  });
});

describe('an upstream that says "not found"', () => {
  test('is believed for negativeFor, then asked again', async () => {
    const { proxy, upstream, clock, again, events } = fixture();
    for (const each of [proxy, proxy, again()]) {
      const error = await each.getManifest(REDIS, SEVEN, PULL).catch((thrown) => thrown);
      expect(error).toMatchObject({ status: 404, origin: 'upstream', upstream: { registry: 'docker.io' } });
    }
    expect(upstream.take()).toEqual(['GET library/redis:7']);
    clock.advance(MINUTE);
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
    expect((await proxy.getManifest(REDIS, SEVEN, PULL)).served.verdict).toBe('miss');
    expect(events.flatMap((event) => (event.kind === 'answer' ? [event.verdict] : []))).toEqual([
      'negative',
      'negative',
      'negative',
      'miss',
    ]);
  });

  test('is believed about a digest too', async () => {
    const { proxy, upstream } = fixture();
    for (let time = 0; time < 2; time++)
      await expectCode(proxy.getManifest(REDIS, digest, PULL), 'NAME_UNKNOWN', 'MANIFEST_UNKNOWN');
    expect(upstream.take()).toEqual([`GET library/redis@${digest}`]);
  });

  test('of a tag that is here: it is kept, and asked for once in negativeFor', async () => {
    const { proxy, upstream, clock } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
    await proxy.getManifest(REDIS, SEVEN, PULL);
    await upstream.registry.deleteTag(REDIS_THERE, SEVEN, PULL);
    clock.advance(10 * MINUTE);
    upstream.take();
    for (let time = 0; time < 3; time++) {
      const { value, served } = await proxy.getManifest(REDIS, SEVEN, PULL);
      expect([value.descriptor.digest, served.verdict, served.warnings.length]).toEqual([digest, 'stale-if-error', 1]);
    }
    expect(upstream.take()).toEqual(['HEAD library/redis:7']);
    clock.advance(MINUTE);
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
    expect((await proxy.getManifest(REDIS, SEVEN, PULL)).served.verdict).toBe('revalidated');
  });

  test('of a tag that is here, where copies are to be forgotten', async () => {
    const { proxy, upstream, clock, store } = fixture({ rules: rulesWith({}, { whenDeleted: 'forget' }) });
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
    await proxy.getManifest(REDIS, SEVEN, PULL);
    await upstream.registry.deleteTag(REDIS_THERE, SEVEN, PULL);
    clock.advance(10 * MINUTE);
    await expectCode(proxy.getManifest(REDIS, SEVEN, PULL), 'MANIFEST_UNKNOWN');
    await expectCode(store.resolveManifest(REDIS, SEVEN, PULL), 'MANIFEST_UNKNOWN');
    expect((await proxy.getManifest(REDIS, digest, PULL)).served.verdict).toBe('hit');
  });
});

describe('an upstream that lies', () => {
  const other = sampleImage('other');
  for (const [name, answer] of [
    [
      'about the digest of a tag',
      { descriptor: { ...image.descriptor, digest: other.descriptor.digest }, bytes: image.bytes },
    ],
    ['with other bytes', { descriptor: image.descriptor, bytes: other.bytes }],
    ['with what is no manifest', { descriptor: other.descriptor, bytes: new TextEncoder().encode('[]') }],
  ] as const) {
    test(name, async () => {
      const { proxy, upstream, store } = fixture();
      await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
      upstream.reader.getManifest = async () => ({ value: answer, served: { by: 'liar', warnings: [] } });
      await expectCode(proxy.getManifest(REDIS, SEVEN, PULL), 'UPSTREAM_INVALID');
      await expectCode(proxy.getManifest(REDIS, sampleImage('third').descriptor.digest, PULL), 'UPSTREAM_INVALID');
      expect((await store.repositories({ limit: 1 }, PULL)).value.items).toEqual([]);
    });
  }

  test('with an image that is an index as well', async () => {
    const { proxy, upstream } = fixture();
    const both = sampleManifest('application/vnd.oci.image.manifest.v1+json', {
      config: image.descriptor,
      layers: [],
      manifests: [],
    });
    upstream.reader.getManifest = async () => ({ value: both, served: { by: 'liar', warnings: [] } });
    await expectCode(proxy.getManifest(REDIS, SEVEN, PULL), 'UPSTREAM_INVALID');
  });
});

describe('an upstream under several addresses', () => {
  const two = () => [fakeUpstream('mirror.example'), fakeUpstream('docker.io')] as const;

  test('who fails is followed by the next', async () => {
    const [mirror, hub] = two();
    const { proxy } = fixture({ upstreams: [mirror, hub] });
    await pushImage(hub.registry, REDIS_THERE, image, { tags: ['7'] });
    mirror.failure = fails('UPSTREAM_UNAVAILABLE');
    const { served } = await proxy.getManifest(REDIS, SEVEN, PULL);
    expect([served.verdict, served.upstream]).toEqual(['miss', 'docker.io']);
    expect([mirror.take(), hub.take()]).toEqual([['GET library/redis:7'], ['GET library/redis:7']]);
  });

  test('who has it not is followed too: a mirror may hold a part only', async () => {
    const [mirror, hub] = two();
    const { proxy } = fixture({ upstreams: [mirror, hub] });
    await pushImage(hub.registry, REDIS_THERE, image, { tags: ['7'] });
    expect((await proxy.getManifest(REDIS, SEVEN, PULL)).served.upstream).toBe('docker.io');
    await expectCode(proxy.getManifest(REDIS, tag('8'), PULL), 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN');
  });

  for (const failing of [0, 1]) {
    test(`"not found" of one is not believed while number ${failing} fails`, async () => {
      const upstreams = two();
      const { proxy } = fixture({ upstreams });
      const [broken, other] = failing === 0 ? upstreams : [upstreams[1], upstreams[0]];
      broken.failure = fails('UPSTREAM_TIMEOUT');
      await expectCode(proxy.getManifest(REDIS, SEVEN, PULL), 'UPSTREAM_TIMEOUT');
      expect(other.asked).toEqual(['GET library/redis:7']);
    });
  }

  test('a liar is followed by the next', async () => {
    const [mirror, hub] = two();
    const { proxy } = fixture({ upstreams: [mirror, hub] });
    await pushImage(hub.registry, REDIS_THERE, image, { tags: ['7'] });
    mirror.reader.getManifest = async () => ({
      value: { descriptor: image.descriptor, bytes: new Uint8Array(3) },
      served: { by: 'liar', warnings: [] },
    });
    expect((await proxy.getManifest(REDIS, SEVEN, PULL)).value.bytes).toEqual(image.bytes);
  });
});

describe('modes', () => {
  test('offline: never asked, and never a 404 that nobody said', async () => {
    const { proxy, upstream, clock, again } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
    await proxy.getManifest(REDIS, SEVEN, PULL);
    upstream.take();
    const offline = again(rulesWith({ offline: true }));
    clock.advance(60 * DAY);
    const { served } = await offline.getManifest(REDIS, SEVEN, PULL);
    expect([served.verdict, served.warnings.length]).toEqual(['offline', 1]);
    await expectCode(offline.getManifest(REDIS, tag('8'), PULL), 'UPSTREAM_UNAVAILABLE');
    await expectCode(offline.getBlob(REDIS, image.config.digest, {}, PULL), 'UPSTREAM_UNAVAILABLE');
    expect((await offline.tags(REDIS, { limit: 10 }, PULL)).value.items).toEqual([SEVEN]);
    expect((await offline.referrers(REDIS, digest, {}, PULL)).served.verdict).toBe('offline');
    expect(upstream.take()).toEqual([]);
  });

  test('only what is here, as somebody may ask for', async () => {
    const { proxy, upstream, clock } = fixture();
    const local = { ...PULL, freshness: 'local' } as const;
    await expectCode(proxy.getManifest(REDIS, SEVEN, local), 'MANIFEST_UNKNOWN');
    await expectCode(proxy.getBlob(REDIS, image.config.digest, {}, local), 'BLOB_UNKNOWN');
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
    await proxy.getManifest(REDIS, SEVEN, PULL);
    upstream.take();
    clock.advance(60 * DAY);
    expect((await proxy.getManifest(REDIS, SEVEN, local)).served.verdict).toBe('offline');
    expect(upstream.take()).toEqual([]);
  });

  test('revalidate asks although it is fresh', async () => {
    const { proxy, upstream } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
    await proxy.getManifest(REDIS, SEVEN, PULL);
    upstream.take();
    const again = { ...PULL, freshness: 'revalidate' } as const;
    expect((await proxy.getManifest(REDIS, SEVEN, again)).served.verdict).toBe('revalidated');
    expect(upstream.take()).toEqual(['HEAD library/redis:7']);
  });

  test('an immutable tag is never asked for again', async () => {
    const rules = rulesWith({}, { byTag: [{ tags: ['semver'], immutable: true }] });
    const { proxy, upstream, clock, again } = fixture({ rules });
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7.0.0'] });
    await proxy.getManifest(REDIS, tag('7.0.0'), PULL);
    upstream.take();
    clock.advance(1000 * DAY);
    expect((await proxy.getManifest(REDIS, tag('7.0.0'), PULL)).served.verdict).toBe('hit');
    expect((await again().getManifest(REDIS, tag('7.0.0'), PULL)).served.verdict).toBe('hit');
    expect(upstream.take()).toEqual([]);
  });

  test('stale while revalidating: answered at once, asked behind', async () => {
    const { proxy, upstream, clock } = fixture({ rules: rulesWith({ staleWhileRevalidateMs: 5 * MINUTE }) });
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
    await proxy.getManifest(REDIS, SEVEN, PULL);
    const newer = sampleImage('newer');
    await pushImage(upstream.registry, REDIS_THERE, newer, { tags: ['7'] });
    upstream.take();
    clock.advance(12 * MINUTE);
    const all = await Promise.all(Array.from({ length: 5 }, () => proxy.getManifest(REDIS, SEVEN, PULL)));
    expect(new Set(all.map(({ value, served }) => `${value.descriptor.digest} ${served.verdict}`))).toEqual(
      new Set([`${digest} hit`]),
    );
    await proxy.close();
    expect(upstream.take()).toEqual(['HEAD library/redis:7', `GET library/redis@${newer.descriptor.digest}`]);
    expect((await proxy.getManifest(REDIS, SEVEN, PULL)).value.descriptor.digest).toBe(newer.descriptor.digest);
  });

  test('at the reserve only what is here, or free to ask, is served', async () => {
    const { proxy, upstream, clock } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7', '8'] });
    await proxy.getManifest(REDIS, SEVEN, PULL);
    upstream.reservePulls = 10;
    upstream.quotas = [
      { account: 'corp', remaining: 9, resetAtMs: clock.now() + 3 * 60 * MINUTE, seenAtMs: clock.now() },
    ];
    clock.advance(60 * MINUTE);
    upstream.take();
    expect((await proxy.getManifest(REDIS, SEVEN, PULL)).served.verdict).toBe('revalidated');
    const refused = await proxy.getManifest(REDIS, tag('8'), PULL).catch((thrown) => thrown);
    expect(refused).toMatchObject({ code: 'TOOMANYREQUESTS', retryAfterMs: 120 * MINUTE });
    expect((await proxy.resolveManifest(REDIS, tag('8'), PULL)).served.verdict).toBe('miss');
    await pushImage(upstream.registry, REDIS_THERE, sampleImage('newer'), { tags: ['7'] });
    clock.advance(30 * MINUTE);
    expect((await proxy.getManifest(REDIS, SEVEN, PULL)).served.verdict).toBe('stale-if-error');
    expect(upstream.take()).toEqual(['HEAD library/redis:7', 'HEAD library/redis:8', 'HEAD library/redis:7']);
  });

  const unreserved: { name: string; quota: Partial<Quota>; accounts?: number; backMs?: number }[] = [
    { name: 'another account has not been used yet', quota: {}, accounts: 2 },
    { name: 'nobody says when the count begins anew', quota: { resetAtMs: 0 } },
    { name: 'the clock was set back', quota: {}, backMs: 1 },
    { name: 'there is more left', quota: { remaining: 11 } },
  ];
  for (const { name, quota, accounts = 1, backMs = 0 } of unreserved) {
    test(`not at the reserve: ${name}`, async () => {
      const { proxy, upstream, clock } = fixture();
      await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
      const nowMs = clock.now();
      Object.assign(upstream, { reservePulls: 10, accounts });
      upstream.quotas = [{ account: 'corp', remaining: 3, resetAtMs: nowMs + MINUTE, seenAtMs: nowMs, ...quota }];
      clock.advance(-backMs);
      expect((await proxy.getManifest(REDIS, SEVEN, PULL)).served.verdict).toBe('miss');
    });
  }

  const patience = [
    { name: 'seconds', retryAfterMs: 7000, told: 7000 },
    { name: 'thirty years', retryAfterMs: 1e12, told: 86_400_000 },
  ];
  test.each(patience)('a limit that asks for $name of patience', async ({ retryAfterMs, told }) => {
    const { proxy, upstream } = fixture();
    upstream.failure = fails('TOOMANYREQUESTS', { retryAfterMs });
    for (const read of [proxy.getManifest(REDIS, SEVEN, PULL), proxy.getBlob(REDIS, image.config.digest, {}, PULL)]) {
      expect(await read.catch((thrown) => thrown)).toMatchObject({ code: 'TOOMANYREQUESTS', retryAfterMs: told });
    }
  });
});

test('a copy of which nothing is known any more is asked for, and served where nobody answers', async () => {
  const { proxy, upstream, store, state } = fixture();
  await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
  await proxy.getManifest(REDIS, SEVEN, PULL);
  state.forget(REDIS, SEVEN);
  upstream.failure = fails('UPSTREAM_UNAVAILABLE');
  const { served } = await proxy.getManifest(REDIS, SEVEN, PULL);
  expect([served.verdict, served.ageSeconds]).toEqual(['stale-if-error', undefined]);
  upstream.failure = undefined;
  expect((await proxy.getManifest(REDIS, SEVEN, PULL)).served.verdict).toBe('revalidated');
  // And one that was evicted is fetched again.
  await store.deleteManifest(REDIS, digest, PULL);
  expect((await proxy.getManifest(REDIS, SEVEN, PULL)).served.verdict).toBe('miss');
});
