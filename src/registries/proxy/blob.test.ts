import { describe, expect, test } from 'bun:test';
import { RegistryError } from '#core/oci';
import { bytesOf, expectCode, pushImage, repo, sampleBlob, sampleImage } from '#core/registry/contract';
import { fixture, PULL, REDIS, REDIS_THERE, SEVEN } from './proxy.fake.ts';

const image = sampleImage('redis 7', { layerBytes: 200_000 });
const layer = image.blobs[1] ?? image.config;
const SECRET = repo('hub/acme/secret');
const SECRET_THERE = repo('acme/secret');

describe('a blob through a proxy', () => {
  test('twenty readers, whole and ranges, are one download', async () => {
    const { proxy, upstream, store, events } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image);
    const ranges = [undefined, { start: 0, end: 10 }, { start: 150_000 }, { start: 199_999, end: 300_000 }];
    const all = await Promise.all(
      Array.from({ length: 20 }, async (_, nth) => {
        const range = ranges[nth % ranges.length];
        const answer = await proxy.getBlob(REDIS, layer.digest, range ? { range } : {}, PULL);
        return { range, served: answer.served, bytes: await bytesOf(answer) };
      }),
    );
    for (const { range, served, bytes } of all) {
      expect(served.verdict).toBe('miss');
      expect(bytes).toEqual(layer.bytes.slice(range?.start ?? 0, range?.end ?? layer.bytes.byteLength));
    }
    expect(upstream.take()).toEqual([`BLOB library/redis@${layer.digest}`]);
    expect((await store.resolveBlob(REDIS, layer.digest, PULL)).value.size).toBe(200_000);
    const after = await proxy.getBlob(REDIS, layer.digest, {}, PULL);
    expect([after.served.verdict, after.value.kind]).toEqual(['hit', 'file']);
    expect(events.filter(({ kind }) => kind === 'flight-started').length).toBe(1);
    const { bytesServed, bytesSaved, upstreamBytes, verdicts } = await proxy.counters();
    const served = all.reduce((sum, { bytes }) => sum + bytes.byteLength, 0) + 200_000;
    expect({ bytesServed, upstreamBytes, verdicts }).toEqual({
      bytesServed: served,
      upstreamBytes: 200_000,
      verdicts: { miss: 20, hit: 1 },
    });
    expect(bytesSaved).toBe(served - 200_000);
  });

  test('a range outside is refused, cold and warm', async () => {
    const { proxy, upstream } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image);
    const outside = { range: { start: 200_000 } };
    await expectCode(proxy.getBlob(REDIS, layer.digest, outside, PULL), 'RANGE_INVALID');
    await bytesOf(await proxy.getBlob(REDIS, layer.digest, {}, PULL));
    await expectCode(proxy.getBlob(REDIS, layer.digest, outside, PULL), 'RANGE_INVALID');
  });

  test('a HEAD of a cold blob is a HEAD there, and no download', async () => {
    const { proxy, upstream } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image);
    const heads = await Promise.all(Array.from({ length: 5 }, () => proxy.resolveBlob(REDIS, layer.digest, PULL)));
    expect(heads.map(({ value }) => value.size)).toEqual([200_000, 200_000, 200_000, 200_000, 200_000]);
    await bytesOf(await proxy.getBlob(REDIS, layer.digest, {}, PULL));
    expect((await proxy.resolveBlob(REDIS, layer.digest, PULL)).served.verdict).toBe('hit');
    expect(upstream.take()).toEqual([`BLOB-HEAD library/redis@${layer.digest}`, `BLOB library/redis@${layer.digest}`]);
  });

  test('one that is nowhere is a 404, and nothing is kept', async () => {
    const { proxy, upstream, store, events } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image);
    const missing = sampleBlob('missing').digest;
    await expectCode(proxy.getBlob(REDIS, missing, {}, PULL), 'BLOB_UNKNOWN');
    await expectCode(proxy.resolveBlob(REDIS, missing, PULL), 'BLOB_UNKNOWN');
    expect((await store.repositories({ limit: 1 }, PULL)).value.items).toEqual([]);
    expect(events.flatMap((event) => (event.kind === 'answer' ? [event.verdict] : []))).toEqual([
      'negative',
      'negative',
    ]);
  });

  test('a source that fails is followed by the next; both that fail say so', async () => {
    const { proxy, upstream } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image);
    upstream.failure = () => new RegistryError('DENIED', 'no', { origin: 'upstream' });
    await expectCode(proxy.getBlob(REDIS, layer.digest, {}, PULL), 'UPSTREAM_DENIED');
  });
});

describe('content of one repository is not another’s', () => {
  const open = async () => {
    const all = fixture();
    await pushImage(all.upstream.registry, SECRET_THERE, image, { tags: ['7'] });
    await pushImage(all.upstream.registry, REDIS_THERE, sampleImage('public'), { tags: ['7'] });
    return all;
  };

  test('a blob that is here for another: the upstream is asked, and its word counts', async () => {
    const { proxy, upstream } = await open();
    await bytesOf(await proxy.getBlob(SECRET, layer.digest, {}, PULL));
    upstream.take();
    await expectCode(proxy.getBlob(REDIS, layer.digest, {}, PULL), 'BLOB_UNKNOWN');
    await expectCode(proxy.resolveBlob(REDIS, layer.digest, PULL), 'BLOB_UNKNOWN');
    expect(upstream.take()).toEqual(Array(2).fill(`BLOB-HEAD library/redis@${layer.digest}`));
    await pushImage(upstream.registry, REDIS_THERE, image);
    expect(await bytesOf(await proxy.getBlob(REDIS, layer.digest, {}, PULL))).toEqual(layer.bytes);
    // Linked now: nothing more is asked, and nothing was downloaded again.
    await bytesOf(await proxy.getBlob(REDIS, layer.digest, {}, PULL));
    expect(upstream.take()).toEqual([`BLOB-HEAD library/redis@${layer.digest}`]);
  });

  test('a blob that is here for another, while the upstream does not answer', async () => {
    const { proxy, upstream } = await open();
    await bytesOf(await proxy.getBlob(SECRET, layer.digest, {}, PULL));
    upstream.failure = () => new RegistryError('UPSTREAM_UNAVAILABLE', 'it is down', { origin: 'upstream' });
    await expectCode(proxy.getBlob(REDIS, layer.digest, {}, PULL), 'UPSTREAM_UNAVAILABLE');
    await expectCode(proxy.resolveBlob(REDIS, layer.digest, PULL), 'UPSTREAM_UNAVAILABLE');
    expect((await proxy.getBlob(SECRET, layer.digest, {}, PULL)).served.verdict).toBe('hit');
  });

  test('a download that goes on for another is joined on the upstream’s word alone', async () => {
    const { proxy, upstream } = await open();
    const gate = Promise.withResolvers<void>();
    const { getBlob } = upstream.reader;
    upstream.reader.getBlob = async (...rest) => {
      await gate.promise;
      return await getBlob(...rest);
    };
    const secret = proxy.getBlob(SECRET, layer.digest, {}, PULL);
    await Bun.sleep(1);
    await expectCode(proxy.getBlob(REDIS, layer.digest, {}, PULL), 'BLOB_UNKNOWN');
    await pushImage(upstream.registry, REDIS_THERE, image);
    const joined = proxy.getBlob(REDIS, layer.digest, {}, PULL);
    await Bun.sleep(1);
    gate.resolve();
    expect(await bytesOf(await joined)).toEqual(layer.bytes);
    expect(await bytesOf(await secret)).toEqual(layer.bytes);
    expect(upstream.take()).toEqual([
      `BLOB-HEAD library/redis@${layer.digest}`,
      `BLOB-HEAD library/redis@${layer.digest}`,
      `BLOB acme/secret@${layer.digest}`,
    ]);
  });

  test('two that begin at the same moment: the second asks before it joins', async () => {
    const { proxy, upstream } = await open();
    const [secret, other] = await Promise.allSettled([
      proxy.getBlob(SECRET, layer.digest, {}, PULL),
      proxy.getBlob(REDIS, layer.digest, {}, PULL),
    ]);
    expect([secret.status, other.status]).toEqual(['fulfilled', 'rejected']);
    if (secret.status === 'fulfilled') expect(await bytesOf(secret.value)).toEqual(layer.bytes);
    expect(upstream.take()).toContain(`BLOB-HEAD library/redis@${layer.digest}`);
  });

  test('a manifest by its digest', async () => {
    const { proxy, upstream } = await open();
    await proxy.getManifest(SECRET, SEVEN, PULL);
    upstream.take();
    await expectCode(proxy.getManifest(REDIS, image.descriptor.digest, PULL), 'MANIFEST_UNKNOWN');
    expect(upstream.take()).toEqual([`GET library/redis@${image.descriptor.digest}`]);
  });
});
