import { describe, expect, test } from 'bun:test';
import { digestOf, MediaType, parseManifest } from '#core/oci';
import { bytesOf, expectCode, repo, sampleBytes, tag, testCall } from '#core/registry/contract';
import { openLayoutArchive } from './archive.ts';
import { inFolder } from './testing/folder.ts';
import { type TarMember, writeTarOf } from './testing/tar.ts';

const call = testCall();
const name = repo('team/app');
const config = '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}';
const plain = sampleBytes('plain layer', 5000);
const zipped = Bun.gzipSync(new Uint8Array(plain));

const manifestFile = (images: unknown): TarMember => ({ name: 'manifest.json', content: JSON.stringify(images) });
const files: TarMember[] = [
  { name: 'config.json', content: config },
  { name: 'other.json', content: `${config} ` },
  { name: 'one/layer.tar', content: plain },
  { name: 'two/layer.tar', type: 'symlink', linkname: '../one/layer.tar' },
  { name: 'three.tar.gz', content: zipped },
];

async function opened<T>(
  images: unknown,
  work: (archive: Awaited<ReturnType<typeof openLayoutArchive>>) => Promise<T>,
) {
  return await inFolder(async (folder) => {
    const path = await writeTarOf(folder, [...files, manifestFile(images)]);
    return await work(await openLayoutArchive({ path }));
  });
}

describe('a docker archive', () => {
  test('is an image whose manifest is made here, over its files as they are', async () => {
    const image = {
      Config: 'config.json',
      RepoTags: ['team/app:v1'],
      Layers: ['one/layer.tar', 'two/layer.tar', 'three.tar.gz'],
    };
    await opened([image], async (archive) => {
      const { value } = await archive.getManifest(name, tag('v1'), call);
      expect(digestOf(value.bytes)).toBe(value.descriptor.digest);
      const manifest = parseManifest(value.bytes, value.descriptor.mediaType);
      expect(manifest.config).toEqual({
        mediaType: MediaType.ociConfig,
        digest: digestOf(config),
        size: config.length,
      });
      expect(manifest.layers.map(({ mediaType, digest, size }) => [mediaType, digest, size] as unknown)).toEqual([
        [MediaType.ociLayer, digestOf(plain), 5000],
        [MediaType.ociLayer, digestOf(plain), 5000],
        [MediaType.ociLayerGzip, digestOf(zipped), zipped.byteLength],
      ]);
      for (const [digest, bytes] of [
        [digestOf(plain), plain],
        [digestOf(zipped), zipped],
      ] as const) {
        expect(await bytesOf(await archive.getBlob(name, digest, {}, call))).toEqual(bytes);
      }
    });
  });

  test('several images with one tag are told apart by name', async () => {
    const images = [
      { Config: 'config.json', RepoTags: ['docker.io/team/app:latest'], Layers: [] },
      { Config: 'other.json', RepoTags: ['team/other:latest', 'team/other:v2'], Layers: [] },
      { Config: 'other.json', RepoTags: null, Layers: ['one/layer.tar'] },
    ];
    await opened(images, async (archive) => {
      const configOf = async (repository: string, reference: string) => {
        const { value } = await archive.getManifest(repo(repository), tag(reference), call);
        return parseManifest(value.bytes, '').config?.digest;
      };
      expect(await configOf('team/app', 'latest')).toBe(digestOf(config));
      expect(await configOf('team/other', 'latest')).toBe(digestOf(`${config} `));
      expect(await configOf('anything', 'v2')).toBe(digestOf(`${config} `));
      await expectCode(archive.resolveManifest(repo('anything'), tag('latest'), call), 'REQUEST_INVALID');
      expect(archive.roots().map((root) => root.tag as string | undefined)).toEqual([
        'latest',
        'latest',
        'v2',
        undefined,
      ]);
    });
  });

  const broken = [
    { name: 'no list', images: {} },
    { name: 'an entry that is null', images: [null] },
    { name: 'no config', images: [{ Layers: [] }] },
    { name: 'no layers', images: [{ Config: 'config.json' }] },
    { name: 'layers that are numbers', images: [{ Config: 'config.json', Layers: [1] }] },
    { name: 'a layer that is not there', images: [{ Config: 'config.json', Layers: ['four.tar'] }] },
    { name: 'a layer outside', images: [{ Config: 'config.json', Layers: ['../../etc/passwd'] }] },
    {
      name: 'more layers than an image can have',
      images: [{ Config: 'config.json', Layers: Array(2000).fill('one/layer.tar') }],
    },
  ];
  for (const { name: title, images } of broken) {
    test(`${title} is ARCHIVE_INVALID`, async () => {
      await expect(opened(images, async () => {})).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
    });
  }
});
