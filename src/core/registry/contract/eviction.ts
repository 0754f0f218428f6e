import { expect } from 'bun:test';
import { type Digest, digestOf, type RepositoryName } from '#core/oci';
import type { CacheStore, Eviction } from '../cache-store.ts';
import type { CacheCheck } from './cache-store.ts';
import { keep, type Tagged } from './keep.ts';
import {
  bytesOf,
  pushImage,
  repo,
  type SampleBlob,
  type SampleImage,
  sampleBlob,
  sampleImage,
  sampleIndex,
  tag,
  testCall,
} from './sample.ts';

const [hub, redis, nginx] = [repo('hub'), repo('hub/library/redis'), repo('hub/library/nginx')];
const outside = repo('hubs/other');
const call = testCall();
const notPinned = () => false;
const LAYER_BYTES = 10_000;
const imageOf = (seed: string) => sampleImage(seed, { layers: 1, layerBytes: LAYER_BYTES });

export function evictionContract(check: CacheCheck): void {
  usageContract(check);
  orderContract(check);
  togetherContract(check);
  staysContract(check);
}

/** As a flight brings it. */
async function bring(store: CacheStore, name: string, { digest, bytes }: SampleBlob): Promise<void> {
  const part = await store.cache.parts.open(digest);
  await part.append(bytes.slice());
  await part.commit([repo(name)], bytes.byteLength);
}

/** Pulls an image through: the manifest first, as clients do. Uses are told apart by the millisecond. */
async function pull(store: CacheStore, name: string, image: Tagged<SampleImage>): Promise<void> {
  await keep(store, name, image);
  for (const blob of image.blobs) {
    const isHere = await store.cache.linkBlob(repo(name), blob.digest);
    if (!isHere) await bring(store, name, blob);
  }
  await Bun.sleep(2);
}

async function touch(store: CacheStore, name: RepositoryName, digest: Digest): Promise<void> {
  store.cache.touch(name, digest);
  await Bun.sleep(2);
}

const bytesHeld = async ({ cache }: CacheStore, name = hub) => (await cache.usage(name)).bytes;

/** Makes room for so many bytes. */
async function free(store: CacheStore, bytes: number, isPinned: Eviction['isPinned'] = notPinned) {
  return await store.cache.evict(hub, { targetBytes: (await bytesHeld(store)) - bytes, isPinned });
}

async function has(store: CacheStore, name: RepositoryName, { descriptor, blobs }: SampleImage): Promise<boolean[]> {
  const found = (asked: Promise<unknown>) =>
    asked.then(
      () => true,
      () => false,
    );
  return await Promise.all([
    found(store.getManifest(name, descriptor.digest, call)),
    ...blobs.map(({ digest }) => found(store.resolveBlob(name, digest, call))),
  ]);
}

const whole = [true, true, true];
const gone = [false, false, false];

function usageContract(check: CacheCheck): void {
  check('nothing is held at first', async ({ cache }) => {
    expect(await cache.usage(hub)).toEqual({ bytes: 0, repositories: 0, tags: 0, manifests: 0, blobs: 0 });
    expect(await cache.evict(hub, { targetBytes: 0, isPinned: notPinned })).toEqual({
      bytes: 0,
      manifests: 0,
      blobs: 0,
    });
  });

  check('counts what a namespace holds, each content once', async (store) => {
    const image = imageOf('first');
    await pull(store, redis, { ...image, tags: ['7', 'latest'] });
    await pull(store, nginx, image);
    await pull(store, outside, { ...imageOf('other'), tags: ['1'] });
    const bytes = image.bytes.byteLength + image.config.bytes.byteLength + LAYER_BYTES;
    expect(await store.cache.usage(hub)).toEqual({ bytes, repositories: 2, tags: 2, manifests: 1, blobs: 2 });
    expect(await store.cache.usage(redis)).toMatchObject({ bytes, repositories: 1 });
  });

  check('parts and blobs that are only named are not held', async (store) => {
    const image = imageOf('named');
    await keep(store, redis, image);
    const part = await store.cache.parts.open(image.config.digest);
    await part.append(image.config.bytes.slice());
    expect(await store.cache.usage(hub)).toMatchObject({ bytes: image.bytes.byteLength, manifests: 1, blobs: 0 });
    await part.discard();
  });
}

function orderContract(check: CacheCheck): void {
  check('drops what was used longest ago, and no more than needed', async (store) => {
    const [first, second, third] = [imageOf('first'), imageOf('second'), imageOf('third')];
    for (const [at, image] of [first, second, third].entries()) await pull(store, at === 1 ? nginx : redis, image);
    await touch(store, redis, first.descriptor.digest);
    const before = await bytesHeld(store);
    const evicted = await free(store, 1);
    expect(evicted).toMatchObject({ manifests: 1, blobs: 2 });
    expect(await bytesHeld(store)).toBe(before - evicted.bytes);
    expect(await has(store, redis, first)).toEqual(whole);
    expect(await has(store, nginx, second)).toEqual(gone);
    expect(await has(store, redis, third)).toEqual(whole);
  });

  check('drops nothing while there is room', async (store) => {
    const image = imageOf('fits');
    await pull(store, redis, image);
    expect(await free(store, 0)).toEqual({ bytes: 0, manifests: 0, blobs: 0 });
    expect(await has(store, redis, image)).toEqual(whole);
  });

  check('drops all for a target of nothing, and fetches it again afterwards', async (store) => {
    const images = ['a', 'b', 'c', 'd'].map(imageOf);
    for (const image of images) await pull(store, redis, { ...image, tags: ['latest'] });
    const evicted = await store.cache.evict(hub, { targetBytes: 0, isPinned: notPinned });
    expect(evicted).toMatchObject({ manifests: 4, blobs: 8 });
    expect(await store.cache.usage(hub)).toEqual({ bytes: 0, repositories: 0, tags: 0, manifests: 0, blobs: 0 });
    for (const image of images) await pull(store, redis, { ...image, tags: ['latest'] });
    for (const image of images) expect(await has(store, redis, image)).toEqual(whole);
  });

  check('a use of a blob that one image alone has is a use of the image', async (store) => {
    const [first, second] = [imageOf('first'), imageOf('second')];
    for (const image of [first, second]) await pull(store, redis, image);
    await touch(store, redis, first.config.digest);
    await free(store, 1);
    expect(await has(store, redis, first)).toEqual(whole);
    expect(await has(store, redis, second)).toEqual(gone);
  });

  check('a blob that no manifest names goes in its turn', async (store) => {
    const [loose, later] = [sampleBlob('loose', 500), sampleBlob('later', 500)];
    await bring(store, redis, loose);
    await Bun.sleep(2);
    const image = imageOf('image');
    await pull(store, redis, image);
    await bring(store, redis, later);
    expect(await free(store, 1)).toEqual({ bytes: 500, manifests: 0, blobs: 1 });
    expect(await has(store, redis, image)).toEqual(whole);
    expect(await free(store, 1)).toMatchObject({ manifests: 1, blobs: 2 });
    expect(await bytesOf(await store.getBlob(redis, later.digest, {}, call))).toEqual(later.bytes);
  });

  check('a touch of what is not here is nothing', async (store) => {
    await touch(store, redis, imageOf('nowhere').descriptor.digest);
    await pull(store, redis, imageOf('here'));
    await touch(store, redis, imageOf('nowhere').descriptor.digest);
    expect(await free(store, 1)).toMatchObject({ manifests: 1 });
  });
}

function togetherContract(check: CacheCheck): void {
  check('a pull of a child by digest keeps its index, its siblings and the tag', async (store) => {
    const children = [imageOf('amd64'), imageOf('arm64')] as const;
    const index = sampleIndex(children);
    await keep(store, redis, { ...index, tags: ['7'] });
    for (const child of children) await pull(store, redis, child);
    const other = imageOf('other');
    await pull(store, redis, { ...other, tags: ['6'] });
    await touch(store, redis, children[0].descriptor.digest);
    expect(await free(store, 1)).toMatchObject({ manifests: 1, blobs: 2 });
    expect((await store.getManifest(redis, tag('7'), call)).value.bytes).toEqual(index.bytes);
    for (const child of children) expect(await has(store, redis, child)).toEqual(whole);
    expect(await has(store, redis, other)).toEqual(gone);
  });

  check('an index goes with its children, referrers and tags', async (store) => {
    const child = imageOf('amd64');
    const index = sampleIndex([child]);
    const signature = sampleImage('signature', { subject: index.descriptor, layers: 1 });
    await keep(store, redis, { ...index, tags: ['7', 'latest'] });
    await pull(store, redis, { ...child, tags: ['7-amd64'] });
    await pull(store, redis, signature);
    const other = imageOf('other');
    await pull(store, redis, { ...other, tags: ['6'] });
    expect(await free(store, 1)).toMatchObject({ manifests: 3, blobs: 4 });
    expect((await store.tags(redis, { limit: 10 }, call)).value.items).toEqual([tag('6')]);
    expect((await store.referrers(redis, index.descriptor.digest, {}, call)).value.items).toEqual([]);
    expect(await has(store, redis, child)).toEqual(gone);
    expect(await has(store, redis, other)).toEqual(whole);
  });

  check('what another index or image needs stays', async (store) => {
    const [common, own] = [imageOf('common'), imageOf('own')];
    const [old, recent] = [sampleIndex([common, own]), sampleIndex([common])];
    await keep(store, redis, { ...old, tags: ['old'] });
    for (const child of [common, own]) await pull(store, redis, child);
    await keep(store, redis, { ...recent, tags: ['recent'] });
    await Bun.sleep(2);
    await touch(store, redis, recent.descriptor.digest);
    await free(store, 1);
    expect((await store.tags(redis, { limit: 10 }, call)).value.items).toEqual([tag('recent')]);
    expect(await has(store, redis, common)).toEqual(whole);
    expect(await has(store, redis, own)).toEqual(gone);
  });

  check('a base layer of many images goes with the last of them', async (store) => {
    const base = imageOf('base').blobs[1];
    const images = ['one', 'two'].map((seed) => imageWith(seed, base));
    for (const image of images) await pull(store, redis, image);
    const [one, two] = images as [SampleImage, SampleImage];
    expect(await free(store, 1)).toMatchObject({ manifests: 1, blobs: 1 });
    expect(await has(store, redis, one)).toEqual([false, false, true]);
    expect(await has(store, redis, two)).toEqual(whole);
  });
}

/** An image of its own config over a layer of another one. */
function imageWith(seed: string, layer: SampleBlob | undefined): SampleImage {
  const own = imageOf(seed);
  const [config, replaced] = own.blobs;
  if (!config || !replaced || !layer) throw new Error('a sample image has a config and a layer');
  const text = new TextDecoder().decode(own.bytes).replace(replaced.digest, layer.digest);
  return { ...sampleFrom(text, own), config, blobs: [config, layer] };
}

function sampleFrom(text: string, { descriptor }: SampleImage) {
  const bytes = new TextEncoder().encode(text);
  return { bytes, descriptor: { ...descriptor, digest: digestOf(bytes), size: bytes.byteLength } };
}

function staysContract(check: CacheCheck): void {
  check('what is pinned stays, whatever its age', async (store) => {
    const child = imageOf('amd64');
    const index = sampleIndex([child]);
    await keep(store, redis, { ...index, tags: ['7.2'] });
    await pull(store, redis, child);
    const other = imageOf('other');
    await pull(store, nginx, { ...other, tags: ['7.2'] });
    const isPinned: Eviction['isPinned'] = (name, pinned) => name === redis && pinned?.startsWith('7') === true;
    const evicted = await store.cache.evict(hub, { targetBytes: 0, isPinned });
    expect(evicted).toMatchObject({ manifests: 1, blobs: 2 });
    expect(await has(store, redis, child)).toEqual(whole);
    expect((await store.tags(redis, { limit: 10 }, call)).value.items).toEqual([tag('7.2')]);
    expect(await has(store, nginx, other)).toEqual(gone);
  });

  check('what has no tag stays where its repository is pinned', async (store) => {
    const image = imageOf('by digest');
    await pull(store, redis, { ...image, tags: [] });
    const loose = sampleBlob('loose', LAYER_BYTES);
    await bring(store, redis, loose);
    await pull(store, nginx, { ...imageOf('elsewhere'), tags: [] });
    const asked = new Set<string | undefined>();
    const isPinned: Eviction['isPinned'] = (name, pinned) => {
      asked.add(pinned);
      return name === redis;
    };
    await store.cache.evict(hub, { targetBytes: 0, isPinned });
    expect([...asked]).toEqual([undefined]);
    expect(await has(store, redis, image)).toEqual(whole);
    expect((await store.resolveBlob(redis, loose.digest, call)).value.size).toBe(loose.bytes.byteLength);
    expect(await has(store, nginx, imageOf('elsewhere'))).toEqual(gone);
  });

  check('content of other namespaces stays there', async (store) => {
    const image = imageOf('shared');
    for (const name of [redis, outside]) await pull(store, name, { ...image, tags: ['1'] });
    await store.cache.evict(hub, { targetBytes: 0, isPinned: notPinned });
    expect(await has(store, redis, image)).toEqual(gone);
    expect(await has(store, outside, image)).toEqual(whole);
    for (const { digest, bytes } of image.blobs) {
      expect(await bytesOf(await store.getBlob(outside, digest, {}, call))).toEqual(bytes);
    }
    expect(await bytesHeld(store)).toBe(0);
  });

  check('what two repositories of the namespace hold is freed with the last', async (store) => {
    const image = imageOf('twice');
    for (const name of [redis, nginx]) await pull(store, name, { ...image, tags: ['1'] });
    const evicted = await free(store, 1);
    expect(evicted).toMatchObject({ manifests: 1, blobs: 2 });
    expect(await bytesHeld(store)).toBe(0);
  });

  check('who reads a blob reads it to its end', async (store) => {
    const image = imageOf('read');
    await pull(store, redis, image);
    const layer = image.blobs[1];
    if (!layer) throw new Error('a sample image has a layer');
    const { value } = await store.getBlob(redis, layer.digest, {}, call);
    const reader = (value.kind === 'file' ? value.file.stream() : new ReadableStream()).getReader();
    const first = await reader.read();
    await store.cache.evict(hub, { targetBytes: 0, isPinned: notPinned });
    const rest: Uint8Array[] = first.value ? [first.value] : [];
    for (let next = await reader.read(); !next.done; next = await reader.read()) rest.push(next.value);
    expect(Buffer.concat(rest)).toEqual(Buffer.from(layer.bytes));
  });

  check('what was pushed is not the cache’s to drop', async (store) => {
    const image = imageOf('pushed');
    await pushImage(store, redis, image, { tags: ['1'] });
    await touch(store, redis, image.descriptor.digest);
    expect(await store.cache.evict(hub, { targetBytes: 0, isPinned: notPinned })).toMatchObject({ manifests: 0 });
    expect(await has(store, redis, image)).toEqual(whole);
  });
}
