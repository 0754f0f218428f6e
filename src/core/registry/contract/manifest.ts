import { expect } from 'bun:test';
import { Bounds, digestOf, MediaType } from '#core/oci';
import { pushImage, pushManifest, repo, sampleImage, sampleIndex, sampleManifest, tag, testCall } from './sample.ts';
import { type Check, expectCode } from './suite.ts';

const name = repo('team/app');
const call = testCall();

export function manifestContract(check: Check): void {
  readContract(check);
  refusalContract(check);
  tagContract(check);
}

function readContract(check: Check): void {
  for (const docker of [false, true]) {
    check(
      `gives back the exact bytes and the media type of ${docker ? 'Docker' : 'OCI'} manifests`,
      async (registry) => {
        const image = sampleImage('exact', { docker });
        const index = sampleIndex([image], { docker });
        const put = await pushImage(registry, name, image, { tags: ['v1'] });
        expect(put.descriptor).toMatchObject(image.descriptor);
        await pushManifest(registry, name, index, { tags: ['all'] });
        for (const [reference, expected] of [
          [tag('v1'), image],
          [image.descriptor.digest, image],
          [tag('all'), index],
          [index.descriptor.digest, index],
        ] as const) {
          const { value, served } = await registry.getManifest(name, reference, call);
          expect(value.bytes).toEqual(expected.bytes);
          expect(value.descriptor).toMatchObject(expected.descriptor);
          expect(served.by).not.toBe('');
          expect((await registry.resolveManifest(name, reference, call)).value).toMatchObject(expected.descriptor);
        }
      },
    );
  }

  check('takes a manifest without a media type in its body by the type it came with', async (registry) => {
    const bytes = new TextEncoder().encode('{"schemaVersion":2,"manifests":[]}');
    await registry.putManifest(name, bytes, { mediaType: MediaType.dockerList, tags: [tag('plain')] }, call);
    const { value } = await registry.getManifest(name, tag('plain'), call);
    expect([value.bytes, value.descriptor.mediaType]).toEqual([bytes, MediaType.dockerList]);
  });

  check('takes a manifest of nearly 4 MiB', async (registry) => {
    const annotations = Object.fromEntries(Array.from({ length: 390 }, (_, at) => [`k${at}`, 'x'.repeat(10_000)]));
    const index = sampleIndex([], { annotations });
    await pushManifest(registry, name, index, { tags: ['big'] });
    expect((await registry.getManifest(name, tag('big'), call)).value.bytes).toEqual(index.bytes);
  });

  check(
    'keeps a manifest under its sha512 digest',
    async (registry) => {
      const index = sampleIndex([], { annotations: { by: 'sha512' } });
      const digest = digestOf(index.bytes, 'sha512');
      const options = { mediaType: MediaType.ociIndex, digest, tags: [tag('wide')] };
      expect((await registry.putManifest(name, index.bytes, options, call)).descriptor.digest).toBe(digest);
      expect((await registry.getManifest(name, digest, call)).value.bytes).toEqual(index.bytes);
      expect((await registry.resolveManifest(name, tag('wide'), call)).value.digest).toBe(digest);
    },
    ['sha512'],
  );

  check(
    'an unknown repository is NAME_UNKNOWN',
    async (registry) => {
      await expectCode(registry.resolveManifest(name, tag('v1'), call), 'NAME_UNKNOWN');
    },
    ['codes-of-resolve', 'isolation'],
  );

  check('an unknown repository, tag or digest has no manifest', async (registry) => {
    const missing = sampleImage('missing').descriptor.digest;
    await expectCode(registry.getManifest(name, tag('v1'), call), 'NAME_UNKNOWN');
    await expectCode(registry.resolveManifest(name, tag('v1'), call), 'NAME_UNKNOWN', 'MANIFEST_UNKNOWN');
    await pushImage(registry, name, sampleImage('there'), { tags: ['v1'] });
    for (const reference of [tag('v2'), missing]) {
      await expectCode(registry.getManifest(name, reference, call), 'MANIFEST_UNKNOWN');
      await expectCode(registry.resolveManifest(name, reference, call), 'MANIFEST_UNKNOWN');
    }
  });

  check('a blob is not a manifest', async (registry) => {
    const image = sampleImage('blob or manifest');
    await pushImage(registry, name, image, { tags: ['v1'] });
    await expectCode(registry.getManifest(name, image.config.digest, call), 'MANIFEST_UNKNOWN');
  });
}

function refusalContract(check: Check): void {
  check('content that is not what its digest says is DIGEST_INVALID and is not stored', async (registry) => {
    const index = sampleIndex([]);
    await pushManifest(registry, name, index, { tags: ['there'] });
    const other = sampleIndex([], { annotations: { other: 'yes' } });
    const options = { mediaType: MediaType.ociIndex, digest: index.descriptor.digest, tags: [tag('v1')] };
    await expectCode(registry.putManifest(name, other.bytes, options, call), 'DIGEST_INVALID');
    await expectCode(registry.resolveManifest(name, tag('v1'), call), 'MANIFEST_UNKNOWN');
    await expectCode(registry.resolveManifest(name, other.descriptor.digest, call), 'MANIFEST_UNKNOWN');
  });

  const bodies = [
    { name: 'no JSON', text: 'hello' },
    { name: 'another schema', text: '{"schemaVersion":1,"config":{}}' },
    { name: 'an image and an index in one', text: '{"schemaVersion":2,"manifests":[],"layers":[]}' },
    { name: 'no manifest', text: '[]' },
  ];
  for (const { name: title, text } of bodies) {
    check(`${title} is MANIFEST_INVALID`, async (registry) => {
      const put = registry.putManifest(
        name,
        new TextEncoder().encode(text),
        { mediaType: MediaType.ociIndex, tags: [tag('v1')] },
        call,
      );
      await expectCode(put, 'MANIFEST_INVALID');
      await expectCode(registry.resolveManifest(name, tag('v1'), call), 'NAME_UNKNOWN', 'MANIFEST_UNKNOWN');
    });
  }

  check('a manifest beyond the bound is MANIFEST_TOO_LARGE', async (registry) => {
    const index = sampleIndex([], { annotations: { long: 'x'.repeat(Bounds.manifestBytes) } });
    await expectCode(pushManifest(registry, name, index, { tags: ['v1'] }), 'MANIFEST_TOO_LARGE');
  });

  check(
    'a manifest whose blobs are not there is MANIFEST_BLOB_UNKNOWN, and its tags stay',
    async (registry) => {
      const first = sampleImage('first');
      await pushImage(registry, name, first, { tags: ['v1'] });
      await expectCode(
        pushManifest(registry, name, sampleImage('second'), { tags: ['v1', 'v2'] }),
        'MANIFEST_BLOB_UNKNOWN',
      );
      expect((await registry.resolveManifest(name, tag('v1'), call)).value.digest).toBe(first.descriptor.digest);
      await expectCode(registry.resolveManifest(name, tag('v2'), call), 'MANIFEST_UNKNOWN');
    },
    ['blob-check'],
  );

  check(
    'a manifest that has the size of a blob wrong is MANIFEST_INVALID, and its tags stay',
    async (registry) => {
      const image = sampleImage('lie');
      await pushImage(registry, name, image, { tags: ['v1'] });
      const { config } = image;
      const lie = sampleManifest(MediaType.ociManifest, {
        config: { mediaType: MediaType.ociConfig, digest: config.digest, size: config.bytes.byteLength + 1 },
        layers: [],
      });
      await expectCode(pushManifest(registry, name, lie, { tags: ['v1'] }), 'MANIFEST_INVALID');
      expect((await registry.resolveManifest(name, tag('v1'), call)).value.digest).toBe(image.descriptor.digest);
    },
    ['blob-check'],
  );

  check('layers that may not be distributed need not be there', async (registry) => {
    const foreign = {
      mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
      digest: sampleImage('elsewhere').descriptor.digest,
      size: 12,
      urls: ['https://example.com/layer'],
    };
    const image = sampleImage('windows', { layers: 0 });
    const { config } = image;
    await registry.putBlob(name, { digest: config.digest }, config.bytes, call);
    const manifest = sampleManifest(MediaType.ociManifest, {
      config: { mediaType: MediaType.ociConfig, digest: config.digest, size: config.bytes.byteLength },
      layers: [foreign],
    });
    expect((await pushManifest(registry, name, manifest, { tags: ['win'] })).descriptor.digest).toBe(
      manifest.descriptor.digest,
    );
  });

  check('an index without its children is taken or refused as the capabilities say', async (registry) => {
    const sparse = sampleIndex([sampleImage('not pushed')]);
    const { sparseIndex } = registry.extras.capabilities?.(name) ?? {};
    if (sparseIndex === false) await expectCode(pushManifest(registry, name, sparse), 'MANIFEST_BLOB_UNKNOWN');
    else if (sparseIndex) await pushManifest(registry, name, sparse);
    const found = registry.resolveManifest(name, sparse.descriptor.digest, call).then(
      () => true,
      () => false,
    );
    expect(await found).toBe(sparseIndex ?? false);
  });
}

function tagContract(check: Check): void {
  check('sets several tags with one manifest and says which', async (registry) => {
    const image = sampleImage('tags');
    const put = await pushImage(registry, name, image, { tags: ['1.2.3', '1.2', 'latest'] });
    expect([...put.tags].sort()).toEqual(['1.2', '1.2.3', 'latest'].map(tag));
    for (const each of put.tags) {
      expect((await registry.resolveManifest(name, each, call)).value.digest).toBe(image.descriptor.digest);
    }
  });

  check('a manifest without tags is found by its digest, and has none', async (registry) => {
    const index = sampleIndex([]);
    expect((await pushManifest(registry, name, index)).tags).toEqual([]);
    expect((await registry.getManifest(name, index.descriptor.digest, call)).value.bytes).toEqual(index.bytes);
    expect((await registry.tags(name, { limit: 10 }, call)).value.items).toEqual([]);
  });

  check('a tag moves to the manifest pushed last; the one before stays by digest', async (registry) => {
    const [first, second] = [sampleImage('first'), sampleImage('second')];
    await pushImage(registry, name, first, { tags: ['latest'] });
    await pushImage(registry, name, second, { tags: ['latest'] });
    expect((await registry.resolveManifest(name, tag('latest'), call)).value.digest).toBe(second.descriptor.digest);
    expect((await registry.getManifest(name, first.descriptor.digest, call)).value.bytes).toEqual(first.bytes);
  });

  check('while a tag moves, a reader gets one manifest or the other, whole', async (registry) => {
    const images = [sampleImage('left'), sampleImage('right')];
    for (const image of images) await pushImage(registry, name, image, { tags: ['moving'] });
    const moves = (async () => {
      for (let round = 0; round < 10; round++) {
        for (const image of images) await pushManifest(registry, name, image, { tags: ['moving', `copy`] });
      }
    })();
    for (let round = 0; round < 20; round++) {
      const { value } = await registry.getManifest(name, tag('moving'), call);
      expect(images.map(({ descriptor }) => descriptor.digest)).toContain(value.descriptor.digest);
      expect(digestOf(value.bytes)).toBe(value.descriptor.digest);
    }
    await moves;
    const ends = await Promise.all(
      [tag('moving'), tag('copy')].map((each) => registry.resolveManifest(name, each, call)),
    );
    expect(ends.map(({ value }) => value.digest)).toEqual(images.map(() => images[1]?.descriptor.digest) as never);
  });
}
