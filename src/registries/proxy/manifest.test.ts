import { describe, expect, test } from 'bun:test';
import { bytesOf, pushImage, repo, sampleImage, tag } from '#core/registry/contract';
import { fixture, MINUTE, PULL, REDIS, REDIS_THERE, SEVEN } from './proxy.fake.ts';

const image = sampleImage('redis 7');
const { digest } = image.descriptor;

describe('a pull through a proxy', () => {
  test('cold: one GET and each blob once; warm: nothing', async () => {
    const { proxy, upstream } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
    const cold = await proxy.getManifest(REDIS, SEVEN, PULL);
    expect([cold.value.descriptor.digest, cold.served.verdict]).toEqual([digest, 'miss']);
    expect(cold.value.bytes).toEqual(image.bytes);
    for (const blob of image.blobs) {
      const got = await proxy.getBlob(REDIS, blob.digest, {}, PULL);
      expect([await bytesOf(got), got.served.verdict]).toEqual([blob.bytes, 'miss']);
    }
    expect(upstream.take()).toEqual([
      'GET library/redis:7',
      ...image.blobs.map((blob) => `BLOB library/redis@${blob.digest}`),
    ]);
    const warm = await proxy.getManifest(REDIS, SEVEN, PULL);
    expect([warm.served.verdict, warm.served.ageSeconds]).toEqual(['hit', 0]);
    for (const blob of image.blobs) await bytesOf(await proxy.getBlob(REDIS, blob.digest, {}, PULL));
    expect(upstream.take()).toEqual([]);
  });

  test('after freshFor: one HEAD for all who come', async () => {
    const { proxy, upstream, clock } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
    await proxy.getManifest(REDIS, SEVEN, PULL);
    upstream.take();
    clock.advance(10 * MINUTE);
    const all = await Promise.all([
      ...Array.from({ length: 20 }, () => proxy.getManifest(REDIS, SEVEN, PULL)),
      ...Array.from({ length: 20 }, () => proxy.resolveManifest(REDIS, SEVEN, PULL)),
    ]);
    expect(new Set(all.map(({ served }) => served.verdict))).toEqual(new Set(['revalidated']));
    expect(upstream.take()).toEqual(['HEAD library/redis:7']);
    expect((await proxy.getManifest(REDIS, SEVEN, PULL)).served.verdict).toBe('hit');
    expect(upstream.take()).toEqual([]);
  });

  test('moved: one HEAD and one GET by digest', async () => {
    const { proxy, upstream, clock } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
    await proxy.getManifest(REDIS, SEVEN, PULL);
    const newer = sampleImage('redis 7, newer');
    await pushImage(upstream.registry, REDIS_THERE, newer, { tags: ['7'] });
    upstream.take();
    clock.advance(10 * MINUTE);
    const all = await Promise.all(Array.from({ length: 20 }, () => proxy.getManifest(REDIS, SEVEN, PULL)));
    expect(new Set(all.map(({ value }) => value.descriptor.digest))).toEqual(new Set([newer.descriptor.digest]));
    expect(all[0]?.served.verdict).toBe('refreshed');
    expect(upstream.take()).toEqual(['HEAD library/redis:7', `GET library/redis@${newer.descriptor.digest}`]);
  });

  test('as containerd pulls: HEAD of the tag, GET of the digest, and the tag is here too', async () => {
    const { proxy, upstream, store } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
    const heads = await Promise.all(Array.from({ length: 10 }, () => proxy.resolveManifest(REDIS, SEVEN, PULL)));
    expect(heads[0]?.value).toEqual(image.descriptor);
    await Promise.all(Array.from({ length: 10 }, () => proxy.getManifest(REDIS, digest, PULL)));
    expect((await proxy.resolveManifest(REDIS, SEVEN, PULL)).served.verdict).toBe('hit');
    expect((await proxy.getManifest(REDIS, SEVEN, PULL)).served.verdict).toBe('hit');
    expect(upstream.take()).toEqual(['HEAD library/redis:7', `GET library/redis@${digest}`]);
    expect((await store.resolveManifest(REDIS, SEVEN, PULL)).value.digest).toBe(digest);
  });

  test('a HEAD of a tag that moved fetches what it moved to: one HEAD and one GET for all', async () => {
    const { proxy, upstream, clock } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
    await proxy.getManifest(REDIS, SEVEN, PULL);
    const newer = sampleImage('redis 7, newer');
    await pushImage(upstream.registry, REDIS_THERE, newer, { tags: ['7'] });
    upstream.take();
    clock.advance(10 * MINUTE);
    const all = await Promise.all([
      ...Array.from({ length: 10 }, () => proxy.resolveManifest(REDIS, SEVEN, PULL)),
      ...Array.from({ length: 10 }, () => proxy.getManifest(REDIS, SEVEN, PULL)),
    ]);
    expect(new Set(all.map(({ served }) => served.verdict))).toEqual(new Set(['refreshed']));
    expect((await proxy.getManifest(REDIS, newer.descriptor.digest, PULL)).served.verdict).toBe('hit');
    expect(upstream.take()).toEqual(['HEAD library/redis:7', `GET library/redis@${newer.descriptor.digest}`]);
  });

  test('a HEAD again and again, of what nobody pulls, is one question within freshFor', async () => {
    const { proxy, upstream, clock, again } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
    for (let pull = 0; pull < 3; pull++) await proxy.resolveManifest(REDIS, SEVEN, PULL);
    await again().resolveManifest(REDIS, SEVEN, PULL);
    clock.advance(10 * MINUTE);
    await proxy.resolveManifest(REDIS, SEVEN, PULL);
    expect(upstream.take()).toEqual(['HEAD library/redis:7', 'HEAD library/redis:7']);
  });

  test('one name of one segment is its library name at Docker Hub', async () => {
    const { proxy, upstream } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
    await proxy.getManifest(repo('hub/redis'), SEVEN, PULL);
    expect((await proxy.getManifest(REDIS, SEVEN, PULL)).served.verdict).toBe('hit');
    expect(proxy.canonicalName(repo('hub/redis'))).toBe(REDIS);
    expect(upstream.take()).toEqual(['GET library/redis:7']);
  });

  test('one who gives up does not take the others along', async () => {
    const { proxy, upstream } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
    const gate = Promise.withResolvers<void>();
    upstream.gate = gate.promise;
    const leaving = new AbortController();
    const left = proxy.getManifest(REDIS, SEVEN, { ...PULL, signal: leaving.signal });
    const stays = proxy.getManifest(REDIS, SEVEN, PULL);
    leaving.abort(new Error('gave up'));
    await expect(left).rejects.toThrow('gave up');
    gate.resolve();
    expect((await stays).value.descriptor.digest).toBe(digest);
    expect(upstream.take()).toEqual(['GET library/redis:7']);
  });

  test('a tag that moved to what is here already costs a HEAD', async () => {
    const { proxy, upstream, clock, store } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7', '7.2'] });
    await proxy.getManifest(REDIS, SEVEN, PULL);
    const newer = sampleImage('redis 7, newer');
    await pushImage(upstream.registry, REDIS_THERE, newer, { tags: ['7.3'] });
    await proxy.getManifest(REDIS, tag('7.3'), PULL);
    await pushImage(upstream.registry, REDIS_THERE, newer, { tags: ['7'] });
    clock.advance(10 * MINUTE);
    upstream.take();
    const got = await proxy.getManifest(REDIS, SEVEN, PULL);
    expect([got.value.descriptor.digest, got.served.verdict]).toEqual([newer.descriptor.digest, 'refreshed']);
    expect(upstream.take()).toEqual(['HEAD library/redis:7']);
    expect((await store.resolveManifest(REDIS, SEVEN, PULL)).value.digest).toBe(newer.descriptor.digest);
  });
});
