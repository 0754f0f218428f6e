import { expect } from 'bun:test';
import type { CacheStore } from '../cache-store.ts';
import type { CacheCheck } from './cache-store.ts';
import {
  bytesOf,
  pushImage,
  repo,
  type SampleManifest,
  sampleBlob,
  sampleImage,
  sampleIndex,
  tag,
  testCall,
} from './sample.ts';
import { expectCode } from './suite.ts';

const [ours, theirs] = [repo('hub/library/redis'), repo('team/private')];
const call = testCall();
const image = sampleImage('kept');

export type Tagged<T> = T & { readonly tags?: readonly string[] };

/** Keeps a manifest as the fetcher does; its blobs may be missing. */
export async function keep(store: CacheStore, name: string, { descriptor, bytes, tags = [] }: Tagged<SampleManifest>) {
  const { mediaType, digest } = descriptor;
  return await store.cache.keepManifest(repo(name), bytes, { mediaType, digest, tags: tags.map(tag) });
}

export function keepContract(check: CacheCheck): void {
  manifestContract(check);
  tagContract(check);
  linkContract(check);
}

function manifestContract(check: CacheCheck): void {
  check('keeps a manifest whose blobs are not here', async (store) => {
    expect(await keep(store, ours, { ...image, tags: ['7', 'latest'] })).toEqual(image.descriptor);
    for (const reference of [tag('7'), tag('latest'), image.descriptor.digest]) {
      const { value } = await store.getManifest(ours, reference, call);
      expect([value.bytes, value.descriptor]).toEqual([image.bytes, image.descriptor]);
    }
    await expectCode(store.resolveBlob(ours, image.config.digest, call), 'BLOB_UNKNOWN');
    await expectCode(pushImage(store, 'team/app', { ...image, blobs: [] }), 'MANIFEST_BLOB_UNKNOWN');
  });

  check('keeps an index whose children are not here', async (store) => {
    const index = sampleIndex([sampleImage('amd64'), sampleImage('arm64')]);
    await keep(store, ours, { ...index, tags: ['7'] });
    expect((await store.getManifest(ours, tag('7'), call)).value.bytes).toEqual(index.bytes);
    await expectCode(store.getManifest(ours, sampleImage('amd64').descriptor.digest, call), 'MANIFEST_UNKNOWN');
  });

  check('keeps the same manifest again', async (store) => {
    for (const tags of [['7'], [], ['7.2']]) await keep(store, ours, { ...image, tags });
    expect((await store.tags(ours, { limit: 10 }, call)).value.items).toEqual([tag('7'), tag('7.2')]);
  });

  check('lists referrers, whether or not their subject is here', async (store) => {
    const subject = sampleImage('subject');
    const signature = sampleImage('signature', { subject: subject.descriptor, artifactType: 'application/x.sig' });
    await keep(store, ours, signature);
    const { value } = await store.referrers(ours, subject.descriptor.digest, {}, call);
    expect(value.items).toMatchObject([{ digest: signature.descriptor.digest, artifactType: 'application/x.sig' }]);
  });

  check('bytes of another digest are DIGEST_INVALID, no manifest is MANIFEST_INVALID', async ({ cache, ...store }) => {
    const { mediaType } = image.descriptor;
    const { digest } = sampleImage('another').descriptor;
    await expectCode(cache.keepManifest(ours, image.bytes, { mediaType, digest, tags: [tag('7')] }), 'DIGEST_INVALID');
    const text = new TextEncoder().encode('<html>');
    await expectCode(cache.keepManifest(ours, text, { mediaType, tags: [tag('7')] }), 'MANIFEST_INVALID');
    await expectCode(store.resolveManifest(ours, tag('7'), call), 'NAME_UNKNOWN');
  });

  check('is seen where it is kept, and nowhere else', async (store) => {
    await keep(store, ours, { ...image, tags: ['7'] });
    await store.putBlob(theirs, { digest: sampleBlob('own').digest }, sampleBlob('own').bytes, call);
    for (const reference of [tag('7'), image.descriptor.digest]) {
      await expectCode(store.getManifest(theirs, reference, call), 'MANIFEST_UNKNOWN');
    }
  });
}

function tagContract(check: CacheCheck): void {
  check('a tag moves to a manifest that is here', async (store) => {
    const next = sampleImage('next');
    await keep(store, ours, { ...image, tags: ['7'] });
    await keep(store, ours, next);
    expect(await store.cache.keepTag(ours, tag('7'), next.descriptor.digest)).toBe(true);
    expect((await store.resolveManifest(ours, tag('7'), call)).value.digest).toBe(next.descriptor.digest);
  });

  check('a tag does not move to a manifest that is not here, nor to that of another repository', async (store) => {
    const other = sampleImage('other');
    await keep(store, ours, { ...image, tags: ['7'] });
    await keep(store, theirs, other);
    for (const { digest } of [other.descriptor, sampleImage('nowhere').descriptor]) {
      expect(await store.cache.keepTag(ours, tag('7'), digest)).toBe(false);
      expect(await store.cache.keepTag(repo('hub/unknown'), tag('7'), digest)).toBe(false);
    }
    expect((await store.resolveManifest(ours, tag('7'), call)).value.digest).toBe(image.descriptor.digest);
    expect((await store.tags(ours, { limit: 10 }, call)).value.items).toEqual([tag('7')]);
  });
}

function linkContract(check: CacheCheck): void {
  check('a blob that is here is found, and linked', async (store) => {
    const { digest, bytes } = sampleBlob('shared', 500);
    await store.putBlob(theirs, { digest }, bytes, call);
    expect(await store.cache.findBlob(digest)).toMatchObject({ digest, size: 500 });
    await expectCode(store.resolveBlob(ours, digest, call), 'NAME_UNKNOWN');
    expect(await store.cache.linkBlob(ours, digest)).toMatchObject({ digest, size: 500 });
    expect(await bytesOf(await store.getBlob(ours, digest, {}, call))).toEqual(bytes);
  });

  check('a blob that only other namespaces hold is not found, nor linked', async (store) => {
    const { digest, bytes } = sampleBlob('shared', 500);
    await store.putBlob(repo('hubs/app'), { digest }, bytes, call);
    const hub = [repo('hub')];
    expect(await store.cache.findBlob(digest, hub)).toBeUndefined();
    expect(await store.cache.linkBlob(ours, digest, hub)).toBeUndefined();
    await expectCode(store.resolveBlob(ours, digest, call), 'NAME_UNKNOWN');
    await store.putBlob(repo('hub/other'), { digest }, bytes, call);
    expect(await store.cache.findBlob(digest, hub)).toMatchObject({ digest });
    expect(await store.cache.linkBlob(ours, digest, hub)).toMatchObject({ digest, size: 500 });
  });

  check('a blob that is not here is not linked', async (store) => {
    await keep(store, ours, { ...image, tags: ['7'] });
    const { digest } = image.config;
    expect(await store.cache.findBlob(digest)).toBeUndefined();
    expect(await store.cache.linkBlob(ours, digest)).toBeUndefined();
    await expectCode(store.resolveBlob(ours, digest, call), 'BLOB_UNKNOWN');
    expect(await store.cache.linkBlob(repo('hub/unknown'), digest)).toBeUndefined();
    expect((await store.repositories({ limit: 10 }, call)).value.items).toEqual([ours]);
  });
}
