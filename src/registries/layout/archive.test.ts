import { describe, expect, test } from 'bun:test';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesOf, expectCode, pushImage, repo, sampleImage, tag, testCall } from '#core/registry/contract';
import { createLayoutArchive, openLayoutArchive } from './archive.ts';
import { inFolder } from './testing/folder.ts';
import { type TarMember, tarOf, writeTarOf } from './testing/tar.ts';

const name = repo('team/app');
const call = testCall();
const image = sampleImage('archived', { layerBytes: 100_000 });
const signature = sampleImage('signature', { subject: image.descriptor });

async function writeSample(path: string): Promise<void> {
  const archive = await createLayoutArchive({ path });
  await pushImage(archive, name, image, { tags: ['v1'] });
  await pushImage(archive, name, signature);
  await archive.close();
}

describe('a layout in a tar', () => {
  test('is written when it is closed, and read back whole', async () => {
    await inFolder(async (folder) => {
      const path = join(folder, 'out.tar');
      await writeSample(path);
      expect(await readdir(folder)).toEqual(['out.tar']);
      const archive = await openLayoutArchive({ path });
      expect((await archive.getManifest(name, tag('v1'), call)).value.bytes).toEqual(image.bytes);
      for (const { digest, bytes } of image.blobs) {
        expect(await bytesOf(await archive.getBlob(name, digest, {}, call))).toEqual(bytes);
        const part = await archive.getBlob(name, digest, { range: { start: 10, end: 20 } }, call);
        expect(await bytesOf(part)).toEqual(bytes.subarray(10, 20));
      }
      const { value } = await archive.referrers(name, image.descriptor.digest, {}, call);
      expect(value.items.map(({ digest }) => digest)).toEqual([signature.descriptor.digest]);
    });
  });

  test('the same content makes the same bytes', async () => {
    await inFolder(async (folder) => {
      const paths = ['a.tar', 'b.tar'].map((file) => join(folder, file));
      for (const path of paths) await writeSample(path);
      const [left, right] = await Promise.all(paths.map((path) => Bun.file(path).bytes()));
      expect(left).toEqual(right as Uint8Array<ArrayBuffer>);
    });
  });

  test('a file that exists is kept, unless it is to be replaced', async () => {
    await inFolder(async (folder) => {
      const path = join(folder, 'out.tar');
      await Bun.write(path, 'precious');
      await expect(createLayoutArchive({ path })).rejects.toMatchObject({ code: 'ARCHIVE_EXISTS' });
      const archive = await createLayoutArchive({ path, replace: true });
      await pushImage(archive, name, image, { tags: ['v1'] });
      expect(await Bun.file(path).text()).toBe('precious');
      await archive.close();
      expect((await openLayoutArchive({ path })).roots()).toHaveLength(1);
    });
  });

  test('discarded, it leaves nothing', async () => {
    await inFolder(async (folder) => {
      const archive = await createLayoutArchive({ path: join(folder, 'out.tar') });
      await pushImage(archive, name, image, { tags: ['v1'] });
      await archive.discard();
      expect(await readdir(folder)).toEqual([]);
    });
  });

  test('takes no writes when it is read', async () => {
    await inFolder(async (folder) => {
      const path = join(folder, 'out.tar');
      await writeSample(path);
      const archive = await openLayoutArchive({ path });
      await expectCode(pushImage(archive, name, image, { tags: ['v2'] }), 'UNSUPPORTED');
      await expectCode(archive.deleteTag(name, tag('v1'), call), 'UNSUPPORTED');
    });
  });
});

describe('an archive that cannot be trusted', () => {
  const layout: TarMember[] = [
    { name: './oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' },
    { name: './index.json', content: '{"schemaVersion":2,"manifests":[]}' },
  ];
  const cases: { name: string; members: TarMember[]; why: string }[] = [
    { name: 'nothing of a layout', members: [{ name: 'readme', content: 'x' }], why: 'neither' },
    {
      name: 'a name that climbs out',
      members: [...layout, { name: '../../etc/passwd', content: 'x' }],
      why: 'leads out',
    },
    { name: 'a name from the root', members: [...layout, { name: '/etc/passwd', content: 'x' }], why: 'leads out' },
    {
      name: 'a link that climbs out',
      members: [...layout, { name: 'a/b', type: 'symlink', linkname: '../../x' }],
      why: 'leads out',
    },
    {
      name: 'a link to the root',
      members: [...layout, { name: 'a', type: 'symlink', linkname: '/etc/passwd' }],
      why: 'leads out',
    },
    {
      name: 'a layout that is a link to itself',
      members: [
        { name: 'oci-layout', type: 'symlink', linkname: 'index.json' },
        { name: 'index.json', type: 'symlink', linkname: 'oci-layout' },
      ],
      why: 'link to a link',
    },
  ];
  for (const { name: title, members, why } of cases) {
    test(`${title} is ARCHIVE_INVALID`, async () => {
      await inFolder(async (folder) => {
        const path = await writeTarOf(folder, members);
        await expect(openLayoutArchive({ path })).rejects.toMatchObject({
          code: 'ARCHIVE_INVALID',
          why: expect.stringContaining(why),
        });
      });
    });
  }

  test('names with dots that stay inside are understood', async () => {
    await inFolder(async (folder) => {
      const path = await writeTarOf(folder, [...layout, { name: './a/../b/./c', content: 'x' }]);
      expect((await openLayoutArchive({ path })).roots()).toEqual([]);
    });
  });

  test('cut anywhere, it is refused or says what is missing', async () => {
    await inFolder(async (folder) => {
      const path = join(folder, 'whole.tar');
      await writeSample(path);
      const bytes = await Bun.file(path).bytes();
      for (let end = 100; end < bytes.length - 1024; end += 7777) {
        const cut = join(folder, 'cut.tar');
        await Bun.write(cut, bytes.subarray(0, end));
        await expect(openLayoutArchive({ path: cut })).rejects.toMatchObject({
          code: expect.stringMatching(/^(ARCHIVE|LAYOUT)_INVALID$/),
        });
      }
    });
  });

  test('a header that lies about its size is refused', async () => {
    await inFolder(async (folder) => {
      const bytes = await tarOf(layout);
      bytes.set(new TextEncoder().encode('77777777777'), 124);
      const path = join(folder, 'lying.tar');
      await Bun.write(path, bytes);
      await expect(openLayoutArchive({ path })).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
    });
  });

  test('something else, compressed or missing, is said', async () => {
    await inFolder(async (folder) => {
      const path = join(folder, 'x.tar');
      await expect(openLayoutArchive({ path })).rejects.toMatchObject({ code: 'ARCHIVE_UNREADABLE' });
      await Bun.write(path, Bun.gzipSync(new Uint8Array(await tarOf(layout))));
      await expect(openLayoutArchive({ path })).rejects.toThrow('compressed with gzip');
      await Bun.write(path, 'hello '.repeat(1000));
      await expect(openLayoutArchive({ path })).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
      await Bun.write(path, '');
      await expect(openLayoutArchive({ path })).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
    });
  });
});
