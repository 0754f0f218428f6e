import { expect } from 'bun:test';
import { bytesOf, pushImage, pushManifest, repo, sampleImage, sampleIndex, tag, testCall } from './sample.ts';
import { type Check, expectCode } from './suite.ts';

const call = testCall();
const [ours, theirs] = [repo('ours/app'), repo('theirs/app')];
const image = sampleImage('ours');
const blob = image.config;

/** Content is stored once perhaps, but seen only where it was pushed or mounted. */
export function isolationContract(check: Check): void {
  check(
    'content of one repository is invisible in another, though it exists',
    async (registry) => {
      await pushImage(registry, ours, image, { tags: ['v1'] });
      await pushManifest(registry, theirs, sampleIndex([]), { tags: ['mine'] });
      await expectCode(registry.getBlob(theirs, blob.digest, {}, call), 'BLOB_UNKNOWN');
      await expectCode(registry.resolveBlob(theirs, blob.digest, call), 'BLOB_UNKNOWN');
      for (const reference of [tag('v1'), image.descriptor.digest]) {
        await expectCode(registry.getManifest(theirs, reference, call), 'MANIFEST_UNKNOWN');
        await expectCode(registry.resolveManifest(theirs, reference, call), 'MANIFEST_UNKNOWN');
      }
      expect((await registry.tags(theirs, { limit: 10 }, call)).value.items).toEqual([tag('mine')]);
    },
    ['isolation'],
  );

  check(
    'a manifest cannot borrow blobs of another repository',
    async (registry) => {
      await pushImage(registry, ours, image, { tags: ['v1'] });
      await expectCode(pushManifest(registry, theirs, image, { tags: ['v1'] }), 'MANIFEST_BLOB_UNKNOWN');
    },
    ['isolation', 'blob-check'],
  );

  check(
    'deleting here leaves it there',
    async (registry) => {
      for (const name of [ours, theirs]) await pushImage(registry, name, image, { tags: ['v1'] });
      await registry.deleteManifest(theirs, image.descriptor.digest, call);
      for (const { digest } of image.blobs) await registry.deleteBlob(theirs, digest, call);
      expect((await registry.getManifest(ours, tag('v1'), call)).value.bytes).toEqual(image.bytes);
      expect(await bytesOf(await registry.getBlob(ours, blob.digest, {}, call))).toEqual(blob.bytes);
      await expectCode(registry.getBlob(theirs, blob.digest, {}, call), 'BLOB_UNKNOWN', 'NAME_UNKNOWN');
    },
    ['isolation', 'delete-manifest', 'delete-blob'],
  );
}
