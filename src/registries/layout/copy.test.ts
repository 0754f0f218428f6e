import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { cosignTags, referrersTag } from '#core/oci';
import { copy, memory, type Registry } from '#core/registry';
import {
  bytesOf,
  pushImage,
  pushManifest,
  repo,
  sampleImage,
  sampleIndex,
  tag,
  testCall,
} from '#core/registry/contract';
import { manualClock } from '#core/std';
import { createLayoutArchive, openLayoutArchive, openLayoutFolder } from './mod.ts';
import { inFolder } from './testing/folder.ts';

const name = repo('team/app');
const call = testCall();
const children = [sampleImage('amd64'), sampleImage('arm64')];
const index = sampleIndex(children);
const signature = sampleImage('signature', { subject: index.descriptor });
const attestation = sampleImage('attestation', { subject: signature.descriptor });
const cosigned = sampleImage('cosigned');
const [cosignTag = referrersTag(index.descriptor.digest)] = cosignTags(index.descriptor.digest);
const images = [...children, signature, attestation, cosigned];

async function upstream(): Promise<Registry> {
  const source = memory();
  for (const image of images) await pushImage(source, name, image);
  await pushManifest(source, name, index, { tags: ['v1'] });
  await pushManifest(source, name, cosigned, { tags: [cosignTag] });
  return source;
}

/** Everything that hangs on the image must be there, byte for byte. */
async function expectWhole(registry: Registry): Promise<void> {
  expect((await registry.getManifest(name, tag('v1'), call)).value.bytes).toEqual(index.bytes);
  for (const { descriptor, bytes, blobs } of images) {
    expect((await registry.getManifest(name, descriptor.digest, call)).value.bytes).toEqual(bytes);
    for (const blob of blobs) {
      expect(await bytesOf(await registry.getBlob(name, blob.digest, {}, call))).toEqual(blob.bytes);
    }
  }
  for (const [subject, referrer] of [
    [index, signature],
    [signature, attestation],
  ] as const) {
    const { value } = await registry.referrers(name, subject.descriptor.digest, {}, call);
    expect(value.items.map(({ digest }) => digest)).toEqual([referrer.descriptor.digest]);
  }
  const { value } = await registry.resolveManifest(name, cosignTag, call);
  expect(value.digest).toBe(cosigned.descriptor.digest);
}

test('an image goes into a folder, on into a tar and out again with all that hangs on it', async () => {
  await inFolder(async (folder) => {
    const image = { repository: name, reference: tag('v1') };
    const options = { call, clock: manualClock() };
    const layout = await openLayoutFolder({ path: join(folder, 'layout') });
    await copy(await upstream(), layout, image, options);
    await expectWhole(layout);

    const path = join(folder, 'image.tar');
    const archive = await createLayoutArchive({ path });
    const source = await openLayoutFolder({ path: join(folder, 'layout'), mustExist: true });
    await copy(source, archive, image, options);
    await archive.close();

    const destination = memory();
    await copy(await openLayoutArchive({ path }), destination, image, options);
    await expectWhole(destination);
  });
});
