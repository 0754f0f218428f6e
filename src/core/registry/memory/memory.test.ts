import { describe, expect, test } from 'bun:test';
import { MediaType, referrersTag } from '#core/oci';
import { bodyOf } from '../answer.ts';
import {
  allPages,
  cacheStoreContract,
  expectCode,
  pushImage,
  pushManifest,
  registryContract,
  repo,
  sampleBlob,
  sampleImage,
  sampleIndex,
  sampleManifest,
  testCall,
} from '../contract/mod.ts';
import { memory, memoryCache } from './memory.ts';

registryContract('memory()', () => ({ registry: memory() }));
registryContract('memory() that wants whole indexes', () => ({ registry: memory({ sparseIndex: false }) }));
registryContract('memory() without referrers lists', () => ({ registry: memory({ referrers: false }) }), {
  without: { referrers: 'clients keep them under the fallback tag' },
});

const name = repo('team/app');
const call = testCall();

describe('memory()', () => {
  test('keeps its own copy of what was pushed', async () => {
    const registry = memory();
    const blob = sampleBlob('copied');
    const bytes = blob.bytes.slice();
    await registry.putBlob(name, { digest: blob.digest }, bytes, call);
    const index = sampleIndex([]);
    const manifest = index.bytes.slice();
    await registry.putManifest(name, manifest, { mediaType: MediaType.ociIndex, tags: [] }, call);
    bytes.fill(0);
    manifest.fill(0);
    const { value } = await registry.getBlob(name, blob.digest, {}, call);
    expect(await new Response(bodyOf(value)).bytes()).toEqual(blob.bytes);
    expect((await registry.getManifest(name, index.descriptor.digest, call)).value.bytes).toEqual(index.bytes);
  });

  test('pages referrers', async () => {
    const registry = memory({ referrersPerPage: 2 });
    const subject = sampleImage('subject').descriptor;
    for (const seed of ['a', 'b', 'c', 'd', 'e']) await pushImage(registry, name, sampleImage(seed, { subject }));
    const list = async (after?: string) =>
      (await registry.referrers(name, subject.digest, after === undefined ? {} : { after }, call)).value;
    const { pages, items } = await allPages(({ after }) => list(after), 2);
    expect(pages.map(({ length }) => length)).toEqual([2, 2, 1]);
    expect(new Set(items.map(({ digest }) => digest)).size).toBe(5);
  });

  test('without referrers lists, answers from the fallback tag', async () => {
    const registry = memory({ referrers: false });
    const subject = sampleImage('subject');
    const signature = sampleImage('signature', { subject: subject.descriptor });
    await pushImage(registry, name, subject, { tags: ['v1'] });
    expect((await pushImage(registry, name, signature)).subject).toBeUndefined();
    const list = sampleManifest(MediaType.ociIndex, { manifests: [signature.descriptor] });
    await pushManifest(registry, name, list, { tags: [referrersTag(subject.descriptor.digest)] });
    const { value } = await registry.referrers(name, subject.descriptor.digest, {}, call);
    expect(value.items.map(({ digest }) => digest)).toEqual([signature.descriptor.digest]);
  });

  test('stops a push whose caller gave up', async () => {
    const registry = memory();
    const { digest, bytes } = sampleBlob('cancelled');
    const gone = testCall({ signal: AbortSignal.abort(new Error('gave up')) });
    await expect(registry.putBlob(name, { digest }, bytes, gone)).rejects.toThrow('gave up');
    await expectCode(registry.resolveBlob(name, digest, call), 'NAME_UNKNOWN');
  });
});

registryContract('memoryCache()', () => ({ registry: memoryCache() }));
cacheStoreContract('memoryCache()', () => ({ store: memoryCache() }));
