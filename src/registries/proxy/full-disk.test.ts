import { expect, test } from 'bun:test';
import { RegistryError } from '#core/oci';
import { bytesOf, pushImage, repo, sampleImage } from '#core/registry/contract';
import { fixture, MINUTE, PULL, REDIS, REDIS_THERE, SEVEN } from './proxy.fake.ts';

const image = sampleImage('redis 7');
const { digest } = image.descriptor;
const [OTHER, OTHER_THERE] = [repo('hub/acme/tool'), repo('acme/tool')];

test('a full disk does not stop a pull', async () => {
  const { proxy, upstream, store } = fixture();
  await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
  const { keepManifest } = store.cache;
  store.cache.keepManifest = async () => {
    throw new RegistryError('INSUFFICIENT_STORAGE', 'the disk is full');
  };
  const { value, served } = await proxy.getManifest(REDIS, SEVEN, PULL);
  expect([value.bytes, served.warnings.length]).toEqual([image.bytes, 1]);
  store.cache.keepManifest = keepManifest;
  expect((await proxy.getManifest(REDIS, SEVEN, PULL)).served.warnings).toEqual([]);
});

test('a full disk stops neither a question nor what is shared', async () => {
  const { proxy, upstream, store, clock } = fixture();
  await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
  await pushImage(upstream.registry, OTHER_THERE, image, { tags: ['7'] });
  await proxy.getManifest(REDIS, SEVEN, PULL);
  for (const blob of image.blobs) await bytesOf(await proxy.getBlob(REDIS, blob.digest, {}, PULL));
  const full = async (): Promise<never> => {
    throw new RegistryError('INSUFFICIENT_STORAGE', 'the disk is full');
  };
  Object.assign(store.cache, { keepTag: full, linkBlob: full, keepManifest: full });
  Object.assign(store.cache.parts, { open: full });
  clock.advance(10 * MINUTE);
  expect((await proxy.getManifest(REDIS, SEVEN, PULL)).served.verdict).toBe('revalidated');
  expect((await proxy.resolveBlob(OTHER, image.config.digest, PULL)).value.size).toBe(image.config.bytes.byteLength);
  expect(await bytesOf(await proxy.getBlob(OTHER, image.config.digest, {}, PULL))).toEqual(image.config.bytes);
  // A tag that moved to what is here already.
  await proxy.getManifest(REDIS, digest, PULL);
  await upstream.registry.deleteTag(REDIS_THERE, SEVEN, PULL);
  clock.advance(10 * MINUTE);
  expect((await proxy.getManifest(REDIS, SEVEN, PULL)).served.verdict).toBe('stale-if-error');
});
