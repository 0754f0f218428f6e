import { describe, expect, test } from 'bun:test';
import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Bounds, digestOf, MediaType } from '#core/oci';
import {
  bytesOf,
  expectCode,
  pushImage,
  pushManifest,
  registryContract,
  repo,
  type SampleManifest,
  sampleBlob,
  sampleImage,
  sampleIndex,
  streamInPieces,
  tag,
  testCall,
} from '#core/registry/contract';
import { openLayoutFolder } from './layout.ts';
import { inFolder } from './testing/folder.ts';

registryContract(
  'an OCI layout folder',
  async () => {
    const done = Promise.withResolvers<void>();
    const folder = Promise.withResolvers<string>();
    const ended = inFolder(async (path) => {
      folder.resolve(path);
      await done.promise;
    });
    const registry = await openLayoutFolder({ path: await folder.promise });
    return {
      registry,
      dispose: async () => {
        await registry.close();
        done.resolve();
        await ended;
      },
    };
  },
  {
    without: {
      isolation: 'a layout has one repository: every name means it',
      catalog: 'the same',
      'mount-anonymous': 'the same: what is there is in the repository asked for',
    },
  },
);

const name = repo('team/app');
const call = testCall();
const image = sampleImage('layout');

const indexOf = async (path: string) => (await Bun.file(join(path, 'index.json')).json()).manifests;
const REF_NAME = 'org.opencontainers.image.ref.name';

/** A layout as somebody else writes it. */
async function writeLayout(path: string, entries: readonly unknown[], contents: readonly SampleManifest[] = []) {
  await Bun.write(join(path, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await Bun.write(join(path, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: entries }));
  for (const { descriptor, bytes } of contents) {
    await Bun.write(join(path, 'blobs', descriptor.digest.replace(':', '/')), bytes);
  }
}

describe('a layout of somebody else', () => {
  const named = (refName: string) => ({ ...image.descriptor, annotations: { [REF_NAME]: refName } });
  const cases = [
    { name: 'a tag', entry: named('v1'), tags: ['v1'] },
    { name: 'a whole name', entry: named('quay.io/team/app:v1'), tags: ['v1'] },
    { name: 'a name with a port and no tag', entry: named('localhost:5000/app'), tags: [] },
    { name: 'no name', entry: image.descriptor, tags: [] },
    { name: 'something else', entry: named('not a tag!'), tags: [] },
  ];
  for (const { name: title, entry, tags } of cases) {
    test(`an entry with ${title} is found by ${[...tags, 'digest'].join(' and ')}`, async () => {
      await inFolder(async (path) => {
        await writeLayout(path, [entry], [image]);
        const layout = await openLayoutFolder({ path });
        expect((await layout.tags(name, { limit: 10 }, call)).value.items).toEqual(tags.map(tag));
        for (const reference of [...tags.map(tag), image.descriptor.digest]) {
          expect((await layout.getManifest(name, reference, call)).value.bytes).toEqual(image.bytes);
        }
        expect(layout.roots().map(({ descriptor }) => descriptor.digest)).toEqual([image.descriptor.digest]);
      });
    });
  }

  test('keeps what it says of its entries', async () => {
    await inFolder(async (path) => {
      const entry = { ...named('v1'), platform: { os: 'linux', architecture: 'amd64' }, 'x-other': [1] };
      entry.annotations = { ...entry.annotations, 'io.example': 'kept' } as typeof entry.annotations;
      await writeLayout(path, [entry], [image]);
      const layout = await openLayoutFolder({ path });
      await pushManifest(layout, name, sampleIndex([]), { tags: ['v2'] });
      expect((await indexOf(path))[0]).toEqual(entry);
      await layout.deleteTag(name, tag('v1'), call);
      expect((await indexOf(path))[1]).toEqual({ ...entry, annotations: { 'io.example': 'kept' } });
    });
  });

  test('children of its indexes are found, as far as they are there', async () => {
    await inFolder(async (path) => {
      const [there, missing] = [sampleImage('there'), sampleImage('missing')];
      const index = sampleIndex([there, missing]);
      await writeLayout(path, [index.descriptor], [index, there]);
      const layout = await openLayoutFolder({ path });
      expect((await layout.getManifest(name, there.descriptor.digest, call)).value.bytes).toEqual(there.bytes);
      await expectCode(layout.getManifest(name, missing.descriptor.digest, call), 'MANIFEST_UNKNOWN');
    });
  });

  const broken = [
    { name: 'no marker', files: { 'index.json': '{"schemaVersion":2,"manifests":[]}' } },
    { name: 'a marker that is not JSON', files: { 'oci-layout': 'x' } },
    { name: 'a marker that is a list', files: { 'oci-layout': '[]' } },
    { name: 'another version', files: { 'oci-layout': '{"imageLayoutVersion":"2.0.0"}' } },
    { name: 'a marker without end', files: { 'oci-layout': ' '.repeat(Bounds.errorBodyBytes + 1) } },
    { name: 'an index that is not JSON', files: { 'index.json': '{' } },
    { name: 'an index of no list', files: { 'index.json': '{"manifests":{}}' } },
    { name: 'an entry that is null', files: { 'index.json': '{"manifests":[null]}' } },
    {
      name: 'an entry that leads elsewhere',
      files: { 'index.json': '{"manifests":[{"digest":"sha256:../../etc","mediaType":"x","size":1}]}' },
    },
    { name: 'an index without end', files: { 'index.json': ' '.repeat(Bounds.manifestBytes + 1) } },
  ];
  for (const { name: title, files } of broken) {
    test(`${title} is LAYOUT_INVALID`, async () => {
      await inFolder(async (path) => {
        if (!('index.json' in files && title === 'no marker')) await writeLayout(path, []);
        for (const [file, text] of Object.entries(files)) await Bun.write(join(path, file), text);
        await expect(openLayoutFolder({ path })).rejects.toMatchObject({
          code: 'LAYOUT_INVALID',
          why: expect.any(String),
        });
      });
    });
  }

  test('a manifest that is not what its name says is LAYOUT_INVALID, at once or when it is read', async () => {
    await inFolder(async (path) => {
      await writeLayout(path, [image.descriptor], [{ ...image, bytes: sampleIndex([]).bytes }]);
      await expect(openLayoutFolder({ path })).rejects.toMatchObject({ code: 'LAYOUT_INVALID' });
      await writeLayout(path, [image.descriptor], [image]);
      const layout = await openLayoutFolder({ path });
      await Bun.write(join(path, 'blobs', image.descriptor.digest.replace(':', '/')), 'changed');
      await expect(layout.getManifest(name, image.descriptor.digest, call)).rejects.toMatchObject({
        code: 'LAYOUT_INVALID',
      });
    });
  });

  test('a folder in place of a blob is no blob', async () => {
    await inFolder(async (path) => {
      await writeLayout(path, []);
      const { digest } = sampleBlob('a folder');
      await mkdir(join(path, 'blobs', digest.replace(':', '/')), { recursive: true });
      await symlink(path, join(path, 'blobs', `sha256/${'0'.repeat(64)}`));
      const layout = await openLayoutFolder({ path });
      await expectCode(layout.getBlob(name, digest, {}, call), 'BLOB_UNKNOWN');
      await expectCode(layout.resolveBlob(name, `sha256:${'0'.repeat(64)}` as typeof digest, call), 'BLOB_UNKNOWN');
    });
  });

  test('indexes that nest without end are LAYOUT_INVALID', async () => {
    await inFolder(async (path) => {
      const nested = [sampleIndex([])];
      for (let depth = 0; depth <= Bounds.indexDepth; depth++) nested.unshift(sampleIndex(nested.slice(0, 1)));
      await writeLayout(
        path,
        nested.slice(0, 1).map(({ descriptor }) => descriptor),
        nested,
      );
      await expect(openLayoutFolder({ path })).rejects.toMatchObject({ why: expect.stringContaining('nest deeper') });
    });
  });
});

describe('what is written', () => {
  test('is found again by the next program, and is all there is', async () => {
    await inFolder(async (path) => {
      const signature = sampleImage('signature', { subject: image.descriptor });
      const first = await openLayoutFolder({ path });
      await pushImage(first, name, image, { tags: ['v1', 'latest'] });
      await pushImage(first, name, signature);
      await first.startUpload(name, {}, call);
      await first.close();
      const layout = await openLayoutFolder({ path });
      expect((await layout.tags(name, { limit: 10 }, call)).value.items).toEqual(['latest', 'v1'].map(tag));
      expect((await layout.getManifest(name, tag('v1'), call)).value.bytes).toEqual(image.bytes);
      const { value } = await layout.referrers(name, image.descriptor.digest, {}, call);
      expect(value.items.map(({ digest }) => digest)).toEqual([signature.descriptor.digest]);
      expect((await readdir(path)).sort()).toEqual(['blobs', 'index.json', 'oci-layout']);
      expect(await readdir(join(path, 'blobs'))).toEqual(['sha256']);
      const files = [
        ...image.blobs,
        ...signature.blobs,
        { digest: image.descriptor.digest },
        { digest: signature.descriptor.digest },
      ];
      const expected = files.map(({ digest }) => digest.slice(7));
      expect((await readdir(join(path, 'blobs/sha256'))).sort()).toEqual(expected.sort());
    });
  });

  test('index.json names tags, and what nothing else leads to', async () => {
    await inFolder(async (path) => {
      const layout = await openLayoutFolder({ path });
      const children = [sampleImage('amd64'), sampleImage('arm64')];
      for (const child of children) await pushImage(layout, name, child);
      expect((await indexOf(path)).length).toBe(2);
      const index = sampleIndex(children);
      await pushManifest(layout, name, index, { tags: ['v1'] });
      expect(await indexOf(path)).toEqual([{ ...index.descriptor, annotations: { [REF_NAME]: 'v1' } }]);
      await layout.deleteManifest(name, index.descriptor.digest, call);
      expect(await indexOf(path)).toEqual(children.map(({ descriptor }) => descriptor));
      expect(
        (await layout.getManifest(name, children[0]?.descriptor.digest ?? tag('none'), call)).value.descriptor.size,
      ).toBeGreaterThan(0);
    });
  });

  test('pushes at once are all in the index', async () => {
    await inFolder(async (path) => {
      const layout = await openLayoutFolder({ path });
      const tags = Array.from({ length: 12 }, (_, at) => `v${at + 10}`);
      const manifests = tags.map((each) => sampleIndex([], { annotations: { each } }));
      await Promise.all(
        manifests.map((each, at) => pushManifest(layout, name, each, { tags: tags.slice(at, at + 1) })),
      );
      expect(
        (await openLayoutFolder({ path }))
          .roots()
          .map((root) => root.tag as string)
          .sort(),
      ).toEqual(tags);
    });
  });

  test('a push that fails leaves no file behind', async () => {
    await inFolder(async (path) => {
      const layout = await openLayoutFolder({ path });
      const { digest, bytes } = sampleBlob('whole', 1000);
      await expectCode(layout.putBlob(name, { digest, size: 999 }, streamInPieces(bytes, 100), call), 'SIZE_INVALID');
      await expectCode(layout.putBlob(name, { digest: digestOf('other') }, bytes, call), 'DIGEST_INVALID');
      await (await layout.startUpload(name, {}, call)).cancel(call);
      expect(await readdir(join(path, 'blobs'))).toEqual([]);
      await layout.putBlob(name, { digest }, bytes, call);
      expect(await bytesOf(await layout.getBlob(name, digest, {}, call))).toEqual(bytes);
    });
  });

  test('a folder that is no layout is one only to be written', async () => {
    await inFolder(async (path) => {
      await expect(openLayoutFolder({ path, mustExist: true })).rejects.toMatchObject({ code: 'LAYOUT_INVALID' });
      await pushManifest(await openLayoutFolder({ path }), name, sampleIndex([]), { tags: ['v1'] });
      expect((await openLayoutFolder({ path, mustExist: true })).roots()).toHaveLength(1);
    });
  });

  test('every name means the one repository', async () => {
    await inFolder(async (path) => {
      const layout = await openLayoutFolder({ path, repository: repo('bundle') });
      expect((await layout.repositories({ limit: 10 }, call)).value.items).toEqual([]);
      await pushImage(layout, 'one/name', image, { tags: ['v1'] });
      expect((await layout.getManifest(repo('another/name'), tag('v1'), call)).value.bytes).toEqual(image.bytes);
      expect((await layout.repositories({ limit: 10 }, call)).value.items).toEqual([repo('bundle')]);
      expect((await layout.resolveManifest(name, tag('v1'), call)).value.mediaType).toBe(MediaType.ociManifest);
    });
  });
});
