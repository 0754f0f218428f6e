import { expect } from 'bun:test';
import {
  bytesOf,
  pushImage,
  pushManifest,
  repo,
  sampleBlob,
  sampleImage,
  sampleIndex,
  tag,
  testCall,
} from './sample.ts';
import { type Check, expectCode } from './suite.ts';

const name = repo('team/app');
const call = testCall();
const image = sampleImage('deleted');

export function deleteContract(check: Check): void {
  check(
    'a deleted tag is gone at once; its manifest and its other tags stay',
    async (registry) => {
      await pushImage(registry, name, image, { tags: ['v1', 'v2'] });
      await registry.deleteTag(name, tag('v1'), call);
      await expectCode(registry.getManifest(name, tag('v1'), call), 'MANIFEST_UNKNOWN');
      await expectCode(registry.deleteTag(name, tag('v1'), call), 'MANIFEST_UNKNOWN');
      expect((await registry.tags(name, { limit: 10 }, call)).value.items).toEqual([tag('v2')]);
      await registry.deleteTag(name, tag('v2'), call);
      expect((await registry.tags(name, { limit: 10 }, call)).value.items).toEqual([]);
      expect((await registry.getManifest(name, image.descriptor.digest, call)).value.bytes).toEqual(image.bytes);
    },
    ['delete-tag'],
  );

  check(
    'a deleted manifest is gone with every tag that points at it, and no other',
    async (registry) => {
      const other = sampleIndex([]);
      await pushImage(registry, name, image, { tags: ['v1', 'latest'] });
      await pushManifest(registry, name, other, { tags: ['other'] });
      await registry.deleteManifest(name, image.descriptor.digest, call);
      for (const reference of [tag('v1'), tag('latest'), image.descriptor.digest]) {
        await expectCode(registry.getManifest(name, reference, call), 'MANIFEST_UNKNOWN');
        await expectCode(registry.resolveManifest(name, reference, call), 'MANIFEST_UNKNOWN');
      }
      expect((await registry.tags(name, { limit: 10 }, call)).value.items).toEqual([tag('other')]);
      await expectCode(registry.deleteManifest(name, image.descriptor.digest, call), 'MANIFEST_UNKNOWN');
    },
    ['delete-manifest'],
  );

  check(
    'what was deleted can be pushed again',
    async (registry) => {
      await pushImage(registry, name, image, { tags: ['v1'] });
      await registry.deleteManifest(name, image.descriptor.digest, call);
      await pushImage(registry, name, image, { tags: ['v1'] });
      expect((await registry.getManifest(name, tag('v1'), call)).value.bytes).toEqual(image.bytes);
    },
    ['delete-manifest'],
  );

  check(
    'a deleted blob is gone at once',
    async (registry) => {
      const [gone, kept] = [sampleBlob('gone'), sampleBlob('kept')];
      for (const { digest, bytes } of [gone, kept]) await registry.putBlob(name, { digest }, bytes, call);
      await registry.deleteBlob(name, gone.digest, call);
      await expectCode(registry.getBlob(name, gone.digest, {}, call), 'BLOB_UNKNOWN');
      await expectCode(registry.resolveBlob(name, gone.digest, call), 'BLOB_UNKNOWN');
      await expectCode(registry.deleteBlob(name, gone.digest, call), 'BLOB_UNKNOWN');
      expect(await bytesOf(await registry.getBlob(name, kept.digest, {}, call))).toEqual(kept.bytes);
      await registry.putBlob(name, { digest: gone.digest }, gone.bytes, call);
      expect(await bytesOf(await registry.getBlob(name, gone.digest, {}, call))).toEqual(gone.bytes);
    },
    ['delete-blob'],
  );

  for (const { kind, feature, code } of [
    { kind: 'tag', feature: 'delete-tag', code: 'MANIFEST_UNKNOWN' },
    { kind: 'manifest', feature: 'delete-manifest', code: 'MANIFEST_UNKNOWN' },
    { kind: 'blob', feature: 'delete-blob', code: 'BLOB_UNKNOWN' },
  ] as const) {
    check(
      `deleting an unknown ${kind} says so, and NAME_UNKNOWN in an unknown repository`,
      async (registry) => {
        const remove = () => {
          if (kind === 'tag') return registry.deleteTag(name, tag('nope'), call);
          if (kind === 'manifest') return registry.deleteManifest(name, image.descriptor.digest, call);
          return registry.deleteBlob(name, image.descriptor.digest, call);
        };
        await expectCode(remove(), 'NAME_UNKNOWN');
        await pushManifest(registry, name, sampleIndex([]), { tags: ['v1'] });
        await expectCode(remove(), code);
      },
      [feature],
    );
  }
}
