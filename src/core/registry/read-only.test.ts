import { describe, expect, test } from 'bun:test';
import { expectCode, pushImage, repo, sampleImage, tag, testCall } from './contract/mod.ts';
import { memory } from './memory/memory.ts';
import { readOnly } from './read-only.ts';

const name = repo('team/app');
const call = testCall();
const image = sampleImage('read only');

describe('readOnly', () => {
  test('answers reads and lists', async () => {
    const next = memory();
    await pushImage(next, name, image, { tags: ['v1'] });
    const registry = readOnly(next);
    expect((await registry.getManifest(name, tag('v1'), call)).value.bytes).toEqual(image.bytes);
    expect((await registry.tags(name, { limit: 1 }, call)).value.items).toEqual([tag('v1')]);
  });

  test('refuses every write and delete with the reason, and changes nothing', async () => {
    const next = memory();
    await pushImage(next, name, image, { tags: ['v1'] });
    const registry = readOnly(next, 'it is a cache');
    const { digest, bytes } = image.config;
    const writes = [
      () => registry.putManifest(name, image.bytes, { mediaType: image.descriptor.mediaType, tags: [tag('v2')] }, call),
      () => registry.putBlob(name, { digest }, bytes, call),
      () => registry.startUpload(name, {}, call),
      () => registry.openUpload(name, 'id', call),
      () => registry.mountBlob(name, digest, { mayRead: () => true }, call),
      () => registry.deleteTag(name, tag('v1'), call),
      () => registry.deleteManifest(name, image.descriptor.digest, call),
      () => registry.deleteBlob(name, digest, call),
    ];
    for (const write of writes) await expectCode(write(), 'UNSUPPORTED');
    await expect(registry.startUpload(name, {}, call)).rejects.toMatchObject({ why: 'it is a cache' });
    expect((await next.tags(name, { limit: 10 }, call)).value.items).toEqual([tag('v1')]);
  });
});
