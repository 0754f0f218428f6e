import { describe, expect, test } from 'bun:test';
import { type Descriptor, digestOf, MediaType } from '#core/oci';
import { repo, tag } from '#core/registry/contract';
import { createManifestCache } from './cache.ts';
import { DEFAULT_STORE_LIMITS } from './limits.ts';

const name = repo('team/app');
const other = repo('team/other');
const latest = tag('latest');
const descriptor = (seed: string): Descriptor => ({
  mediaType: MediaType.ociManifest,
  digest: digestOf(seed),
  size: 1,
});
const [before, after] = [descriptor('before'), descriptor('after')];
const nothing = () => [];

async function cacheWith(value: Descriptor) {
  const cache = createManifestCache(DEFAULT_STORE_LIMITS);
  await cache.remember(name, latest, async () => value);
  return cache;
}

describe('the cache of references', () => {
  test('answers what was looked up', async () => {
    const cache = await cacheWith(before);
    expect(cache.find(name, latest)).toBe(before);
    expect(cache.find(other, latest)).toBeUndefined();
  });

  test('says nothing of a repository while it is changed, and forgets what was touched', async () => {
    const cache = await cacheWith(before);
    await cache.remember(name, tag('stays'), async () => before);
    const gate = Promise.withResolvers<void>();
    const change = cache.change(
      name,
      () => gate.promise,
      () => [latest],
    );
    expect(cache.find(name, latest)).toBeUndefined();
    // What is looked up meanwhile is answered, not kept.
    expect(await cache.remember(name, latest, async () => after)).toBe(after);
    gate.resolve();
    await change;
    expect(cache.find(name, latest)).toBeUndefined();
    expect(cache.find(name, tag('stays'))).toBe(before);
  });

  test('keeps no answer of a look-up that a change overtook', async () => {
    const cache = createManifestCache(DEFAULT_STORE_LIMITS);
    const gate = Promise.withResolvers<Descriptor>();
    const slow = cache.remember(name, latest, () => gate.promise);
    await cache.change(name, async () => {}, nothing);
    gate.resolve(before);
    expect(await slow).toBe(before);
    expect(cache.find(name, latest)).toBeUndefined();
  });

  test('believes nothing after a change that failed: it may have taken place', async () => {
    const cache = await cacheWith(before);
    const failed = cache.change(name, () => Promise.reject(new Error('the writer died')), nothing);
    expect(await failed.catch((error: Error) => error.message)).toBe('the writer died');
    expect(cache.find(name, latest)).toBeUndefined();
  });

  test('stays within its bytes', () => {
    const cache = createManifestCache({ ...DEFAULT_STORE_LIMITS, manifestCacheBytes: 5000 });
    const digests = ['a', 'b', 'c', 'd', 'e', 'f'].map((seed) => digestOf(seed));
    for (const digest of digests) cache.keepBytes(digest, new Uint8Array(1000));
    expect(digests.filter((digest) => cache.bytesOf(digest)).length).toBe(4);
  });
});
