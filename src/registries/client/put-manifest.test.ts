import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { digestOf, MediaType, parseTag } from '#core/oci';
import { CALL, clientOf, failureOf, REPOSITORY, V1 } from './client.fake.ts';
import { type FakeUpstream, reply, startUpstream, wireError } from './upstream.fake.ts';

let fake: FakeUpstream;
beforeEach(async () => {
  fake = await startUpstream();
});
afterEach(() => fake.stop());

describe('putManifest', () => {
  const TAGS = ['v1', 'v2', 'v3'].map(parseTag);

  test('no tag: one PUT by digest', async () => {
    const { manifest, digest } = fake.addImage('v1');
    const answer = await clientOf(fake).putManifest(
      REPOSITORY,
      manifest,
      { mediaType: MediaType.ociManifest, tags: [] },
      CALL,
    );
    expect(String(answer.descriptor.digest)).toBe(digest);
    expect(fake.log).toEqual([expect.stringMatching(/^PUT \/v2\/demo\/app\/manifests\/sha256:/)]);
  });

  test('one tag: one PUT', async () => {
    const { manifest } = fake.addImage('v1');
    await clientOf(fake).putManifest(REPOSITORY, manifest, { mediaType: MediaType.ociManifest, tags: [V1] }, CALL);
    expect(fake.log).toEqual(['PUT /v2/demo/app/manifests/v1']);
  });

  test('many tags where the registry takes one: a PUT each, and no question the next time', async () => {
    const { manifest } = fake.addImage('v1');
    const client = clientOf(fake);
    const options = { mediaType: MediaType.ociManifest, tags: TAGS };
    expect((await client.putManifest(REPOSITORY, manifest, options, CALL)).tags).toEqual(TAGS);
    expect(fake.log).toEqual([
      'PUT /v2/demo/app/manifests/v1?tag=v1&tag=v2&tag=v3',
      'PUT /v2/demo/app/manifests/v2',
      'PUT /v2/demo/app/manifests/v3',
    ]);
    fake.log.length = 0;
    await client.putManifest(REPOSITORY, manifest, options, CALL);
    expect(fake.log[0]).toBe('PUT /v2/demo/app/manifests/v1');
    expect(client.state().known.multiTag).toBe(false);
  });

  test('many tags where the registry takes them: one PUT', async () => {
    fake.settings.multiTag = true;
    const { manifest } = fake.addImage('v1');
    const client = clientOf(fake);
    const options = { mediaType: MediaType.ociManifest, tags: TAGS };
    expect((await client.putManifest(REPOSITORY, manifest, options, CALL)).tags).toEqual(TAGS);
    expect(fake.log).toHaveLength(1);
    fake.log.length = 0;
    await client.putManifest(REPOSITORY, manifest, options, CALL);
    expect(fake.log).toEqual([
      expect.stringMatching(/^PUT \/v2\/demo\/app\/manifests\/sha256:\w+\?tag=v1&tag=v2&tag=v3$/),
    ]);
  });

  for (const referrersApi of [true, false]) {
    test(`a subject is told back only where the registry ${referrersApi ? 'keeps' : 'does not keep'} the list`, async () => {
      fake.settings.referrersApi = referrersApi;
      const { manifest, digest } = fake.addImage('v1');
      const json = JSON.parse(new TextDecoder().decode(manifest));
      const subject = { mediaType: MediaType.ociManifest, digest, size: manifest.byteLength };
      const bytes = new TextEncoder().encode(JSON.stringify({ ...json, subject }));
      const client = clientOf(fake);
      const answer = await client.putManifest(REPOSITORY, bytes, { mediaType: MediaType.ociManifest, tags: [] }, CALL);
      expect(answer.subject as string | undefined).toBe(referrersApi ? digest : undefined);
      expect(client.extras.capabilities?.(REPOSITORY).referrers).toBe(referrersApi ? true : undefined);
    });
  }

  const refusals: { name: string; status: number; code: string; message: string; expected: string }[] = [
    {
      name: 'a missing blob',
      status: 400,
      code: 'MANIFEST_BLOB_UNKNOWN',
      message: 'blob unknown',
      expected: 'MANIFEST_BLOB_UNKNOWN',
    },
    {
      name: 'an immutable tag at ECR',
      status: 400,
      code: 'TAG_INVALID',
      message: 'the tag is immutable',
      expected: 'TAG_IMMUTABLE',
    },
    {
      name: 'an immutable tag at Harbor',
      status: 412,
      code: 'PRECONDITION',
      message: 'configured as immutable',
      expected: 'TAG_IMMUTABLE',
    },
    { name: 'a full registry', status: 507, code: 'X', message: 'full', expected: 'INSUFFICIENT_STORAGE' },
  ];
  for (const { name, status, code, message, expected } of refusals) {
    test(`${name} is ${expected}`, async () => {
      fake.on(/^PUT /, ({ response }) => {
        reply(response, status, {}, JSON.stringify({ errors: [{ code, message }] }));
        return true;
      });
      const { manifest } = fake.addImage('v1');
      const options = { mediaType: MediaType.ociManifest, tags: [V1] };
      expect((await failureOf(clientOf(fake).putManifest(REPOSITORY, manifest, options, CALL))).code).toBe(expected);
    });
  }
});

describe('deletes', () => {
  test('tag, manifest and blob: one request each', async () => {
    const { digest, layerDigest } = fake.addImage('v1');
    const client = clientOf(fake);
    await client.deleteTag(REPOSITORY, V1, CALL);
    await client.deleteManifest(REPOSITORY, digestOf(fake.manifests.get(digest)?.bytes ?? ''), CALL);
    await client.deleteBlob(REPOSITORY, digestOf(fake.blobs.get(layerDigest) ?? ''), CALL);
    expect(fake.log.map((line) => line.slice(0, 7))).toEqual(['DELETE ', 'DELETE ', 'DELETE ']);
    expect(fake.manifests.size).toBe(0);
  });

  test('what is not there is unknown', async () => {
    expect((await failureOf(clientOf(fake).deleteTag(REPOSITORY, V1, CALL))).code).toBe('MANIFEST_UNKNOWN');
  });

  test('done by a first try whose answer was lost is done', async () => {
    fake.addImage('v1');
    fake.on(
      /^DELETE /,
      ({ response }) => {
        fake.manifests.delete('v1');
        response.destroy();
        return true;
      },
      1,
    );
    await clientOf(fake).deleteTag(REPOSITORY, V1, CALL);
    expect(fake.log).toHaveLength(2);
  });

  for (const { name, status, code } of [
    { name: 'that knows no deletes', status: 405, code: 'UNSUPPORTED' },
    { name: 'that deletes by digest alone', status: 400, code: 'DIGEST_INVALID' },
  ]) {
    test(`a tag at a registry ${name} is UNSUPPORTED`, async () => {
      fake.on(/^DELETE /, ({ response }) => {
        wireError(response, status, code);
        return true;
      });
      expect((await failureOf(clientOf(fake).deleteTag(REPOSITORY, V1, CALL))).code).toBe('UNSUPPORTED');
    });
  }
});
