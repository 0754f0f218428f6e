import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { pushImage, repo, sampleImage, tag, testCall } from '#core/registry/contract';
import { createLayoutArchive, openLayoutArchive } from './mod.ts';
import { inFolder } from './testing/folder.ts';

test('the example of the README', async () => {
  await inFolder(async (folder) => {
    const path = join(folder, 'image.tar');
    const archive = await createLayoutArchive({ path });
    await pushImage(archive, 'team/app', sampleImage('first'), { tags: ['v1'] });
    await archive.close();

    const read = await openLayoutArchive({ path });
    const { value } = await read.getManifest(repo('team/app'), tag('v1'), testCall());
    expect(value.bytes).toEqual(sampleImage('first').bytes);
  });
});
