import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { digestOf, MediaType, parseRepository, parseTag } from '#core/oci';
import { CALL, clientOf, failureOf, inPieces, REPOSITORY, V1 } from './client.fake.ts';
import type { UploadMode } from './quirks.ts';
import { type FakeUpstream, reply, startUpstream, wireError } from './upstream.fake.ts';

let fake: FakeUpstream;
beforeEach(async () => {
  fake = await startUpstream();
});
afterEach(() => fake.stop());

const BLOB = new Uint8Array(100_000).map((_, index) => index * 17);
const DIGEST = digestOf(BLOB);
const POST = 'POST /v2/demo/app/blobs/uploads/';
const PUT = expect.stringMatching(/^PUT \/v2\/demo\/app\/blobs\/uploads\/u\?state=s%2B1&digest=sha256/);
const PATCH = expect.stringMatching(/^PATCH \/v2\/demo\/app\/blobs\/uploads\/u/);
const mayRead = () => true;

describe('putBlob', () => {
  test('bytes: POST and PUT', async () => {
    const descriptor = await clientOf(fake).putBlob(REPOSITORY, { digest: DIGEST }, BLOB, CALL);
    expect(descriptor).toMatchObject({ digest: DIGEST, size: BLOB.byteLength });
    expect(fake.blobs.get(DIGEST)).toEqual(BLOB);
    expect(fake.log).toEqual([POST, PUT]);
  });

  test('a stream of known size: POST and PUT, with its length on the wire', async () => {
    const headers: Record<string, unknown>[] = [];
    fake.on(/^PUT /, ({ request }) => {
      headers.push(request.headers);
      return false;
    });
    const target = { digest: DIGEST, size: BLOB.byteLength };
    await clientOf(fake).putBlob(REPOSITORY, target, inPieces(BLOB, 7000), CALL);
    expect(fake.log).toEqual([POST, PUT]);
    expect(headers[0]).toMatchObject({ 'content-length': String(BLOB.byteLength) });
    expect(headers[0]).not.toHaveProperty('transfer-encoding');
  });

  test('a stream of unknown size that is short goes with the PUT', async () => {
    await clientOf(fake).putBlob(REPOSITORY, { digest: DIGEST }, inPieces(BLOB, 7000), CALL);
    expect(fake.log).toEqual([POST, PUT]);
  });

  test('a stream of unknown size that is long goes in chunks', async () => {
    const client = clientOf(fake, { quirks: { chunkBytes: 40_000 } });
    await client.putBlob(REPOSITORY, { digest: DIGEST }, inPieces(BLOB, 7000), CALL);
    expect(fake.log).toEqual([POST, PATCH, PATCH, PUT]);
    expect(fake.blobs.get(DIGEST)).toEqual(BLOB);
  });

  test('an empty blob', async () => {
    const empty = new Uint8Array();
    await clientOf(fake).putBlob(REPOSITORY, { digest: digestOf(empty) }, empty, CALL);
    expect(fake.blobs.get(digestOf(empty))).toHaveLength(0);
  });

  const modes: { name: UploadMode; expected: unknown[] }[] = [
    { name: 'monolithic', expected: [POST, PUT] },
    { name: 'patch', expected: [POST, PATCH, PUT] },
    { name: 'chunked', expected: [POST, PATCH, PATCH, PUT] },
  ];
  for (const { name, expected } of modes) {
    for (const kind of ['bytes', 'stream'] as const) {
      test(`mode ${name}, ${kind}`, async () => {
        const client = clientOf(fake, { quirks: { uploads: [name], chunkBytes: 40_000 } });
        const body = kind === 'bytes' ? BLOB : inPieces(BLOB, 9000);
        await client.putBlob(REPOSITORY, { digest: DIGEST, size: BLOB.byteLength }, body, CALL);
        expect<unknown[]>(fake.log).toEqual(expected);
        expect(fake.blobs.get(DIGEST)).toEqual(BLOB);
      });
    }
  }

  for (const status of [400, 404, 405, 413, 501]) {
    test(`a monolithic PUT refused with ${status} is sent by PATCH, from then on at once`, async () => {
      fake.on(/^PUT /, ({ response, body }) => {
        if (body.byteLength === 0) return false;
        wireError(response, status, 'UNSUPPORTED');
        return true;
      });
      const client = clientOf(fake);
      await client.putBlob(REPOSITORY, { digest: DIGEST }, BLOB, CALL);
      expect(fake.log).toEqual([POST, PUT, POST, PATCH, PUT]);
      fake.log.length = 0;
      await client.putBlob(REPOSITORY, { digest: DIGEST }, BLOB, CALL);
      expect(fake.log).toEqual([POST, PATCH, PUT]);
    });
  }

  test('a stream whose mode is refused says to try again, and the next try works', async () => {
    fake.on(/^PUT /, ({ response, body }) => {
      if (body.byteLength === 0) return false;
      wireError(response, 413, 'SIZE_INVALID');
      return true;
    });
    const client = clientOf(fake);
    const target = { digest: DIGEST, size: BLOB.byteLength };
    const failure = await failureOf(client.putBlob(REPOSITORY, target, inPieces(BLOB, 9000), CALL));
    expect(failure).toMatchObject({ retryAfterMs: 0 });
    expect(failure.hint).toContain('try again');
    await client.putBlob(REPOSITORY, target, inPieces(BLOB, 9000), CALL);
    expect(fake.blobs.get(DIGEST)).toEqual(BLOB);
  });

  test('bytes are sent again as a whole when the PUT breaks', async () => {
    // Twice: Bun itself repeats a request once when a kept connection turns out to be closed.
    const breaks = 2;
    fake.on(
      /^PUT /,
      ({ response }) => {
        response.destroy();
        return true;
      },
      breaks,
    );
    await clientOf(fake).putBlob(REPOSITORY, { digest: DIGEST }, BLOB, CALL);
    expect(fake.log.filter((line) => line === POST)).toHaveLength(2);
    expect(fake.blobs.get(DIGEST)).toEqual(BLOB);
  });

  test('bytes with another digest are refused before a request', async () => {
    const failure = await failureOf(clientOf(fake).putBlob(REPOSITORY, { digest: digestOf('x') }, BLOB, CALL));
    expect(failure.code).toBe('DIGEST_INVALID');
    expect(fake.log).toEqual([]);
  });

  test('a stream with another digest is DIGEST_INVALID, in one try', async () => {
    const target = { digest: digestOf('x'), size: BLOB.byteLength };
    const failure = await failureOf(clientOf(fake).putBlob(REPOSITORY, target, inPieces(BLOB, 9000), CALL));
    expect(failure.code).toBe('DIGEST_INVALID');
    expect(fake.log).toHaveLength(2);
    expect(fake.blobs.size).toBe(0);
  });

  for (const { name, size } of [
    { name: 'shorter', size: BLOB.byteLength + 1 },
    { name: 'longer', size: BLOB.byteLength - 1 },
  ]) {
    test(`a stream ${name} than its size is SIZE_INVALID, and nothing is stored`, async () => {
      const failure = await failureOf(
        clientOf(fake).putBlob(REPOSITORY, { digest: DIGEST, size }, inPieces(BLOB, 9000), CALL),
      );
      expect(failure.code).toBe('SIZE_INVALID');
      expect(fake.blobs.size).toBe(0);
    });
  }

  test('what broke the body is what is thrown, and nothing is stored', async () => {
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.error(new Error('the source broke'));
      },
    });
    await expect(clientOf(fake).putBlob(REPOSITORY, { digest: DIGEST, size: 9 }, body, CALL)).rejects.toThrow(
      'the source broke',
    );
    expect(fake.blobs.size).toBe(0);
  });

  test('a refused upload lets go of the body', async () => {
    fake.on(/^POST /, ({ response }) => {
      wireError(response, 403, 'DENIED');
      return true;
    });
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      cancel() {
        cancelled = true;
      },
    });
    expect((await failureOf(clientOf(fake).putBlob(REPOSITORY, { digest: DIGEST, size: 9 }, body, CALL))).code).toBe(
      'DENIED',
    );
    expect(cancelled).toBe(true);
  });

  test('a registry that stored something else is not believed', async () => {
    fake.on(/^PUT /, ({ response }) => {
      reply(response, 201, { 'docker-content-digest': digestOf('other') });
      return true;
    });
    const failure = await failureOf(clientOf(fake).putBlob(REPOSITORY, { digest: DIGEST }, BLOB, CALL));
    expect(failure.code).toBe('UPSTREAM_INVALID');
  });

  test('a registry that loses a chunk behind a success is caught', async () => {
    fake.on(/^PATCH /, ({ response }) => {
      reply(response, 202, { location: '/v2/demo/app/blobs/uploads/u1', range: '0-39' });
      return true;
    });
    const client = clientOf(fake, { quirks: { uploads: ['patch'] } });
    expect((await failureOf(client.putBlob(REPOSITORY, { digest: DIGEST }, BLOB, CALL))).code).toBe('UPSTREAM_INVALID');
  });

  test('a slow destination holds the source back', async () => {
    let given = 0;
    const total = 64 * 1024 * 1024;
    const piece = new Uint8Array(256 * 1024);
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          given += piece.byteLength;
          controller.enqueue(piece);
        },
      },
      { highWaterMark: 0 },
    );
    // Takes the connection and reads nothing.
    using stuck = Bun.listen({
      hostname: '127.0.0.1',
      port: 0,
      socket: { open: (socket) => socket.pause(), data() {} },
    });
    fake.on(/^POST /, ({ response }) => {
      reply(response, 202, { location: `http://127.0.0.1:${stuck.port}/v2/demo/app/blobs/uploads/1` });
      return true;
    });
    const client = clientOf(fake, { timeouts: { responseMs: 200, idleMs: 200, commitMs: 200 } });
    const failure = await failureOf(client.putBlob(REPOSITORY, { digest: DIGEST, size: total }, body, CALL));
    expect(failure.code).toBe('UPSTREAM_TIMEOUT');
    expect(given).toBeLessThan(total / 2);
  });
});

describe('mountBlob', () => {
  test('a hit is one request', async () => {
    fake.blobs.set(DIGEST, BLOB);
    const answer = await clientOf(fake).mountBlob(REPOSITORY, DIGEST, { from: REPOSITORY, mayRead }, CALL);
    expect(answer.kind).toBe('mounted');
    expect(fake.log).toEqual([expect.stringMatching(/^POST .*\?mount=sha256.*&from=demo%2Fapp$/)]);
  });

  test('a miss and its upload are two requests', async () => {
    const answer = await clientOf(fake).mountBlob(REPOSITORY, DIGEST, { from: REPOSITORY, mayRead }, CALL);
    if (answer.kind !== 'upload') throw new Error('mounted');
    await answer.upload.commit(DIGEST, { body: inPieces(BLOB, 9000), size: BLOB.byteLength }, CALL);
    expect(fake.log).toHaveLength(2);
    expect(fake.blobs.get(DIGEST)).toEqual(BLOB);
  });

  const others: { name: string; mount: 'from' | 'any' | 'none'; from: boolean; reads: boolean; query: string }[] = [
    {
      name: 'without a source, where the registry takes that',
      mount: 'any',
      from: false,
      reads: true,
      query: '?mount=sha256%3A',
    },
    { name: 'without a source, at Quay', mount: 'from', from: false, reads: true, query: '' },
    { name: 'where mounts do not work', mount: 'none', from: true, reads: true, query: '' },
    { name: 'from what the caller may not read', mount: 'any', from: true, reads: false, query: '' },
  ];
  for (const { name, mount, from, reads, query } of others) {
    test(name, async () => {
      const options = { ...(from ? { from: parseRepository('demo/other') } : {}), mayRead: () => reads };
      const answer = await clientOf(fake, { quirks: { mount } }).mountBlob(REPOSITORY, DIGEST, options, CALL);
      expect(answer.kind).toBe('upload');
      expect(fake.log).toEqual([
        expect.stringMatching(new RegExp(`^POST /v2/demo/app/blobs/uploads/${query.replace('?', '\\?')}`)),
      ]);
      expect(fake.log[0]?.includes('mount')).toBe(query !== '');
    });
  }

  test('a refused mount is an upload', async () => {
    fake.on(/\?mount=/, ({ response }) => {
      wireError(response, 404, 'NAME_UNKNOWN');
      return true;
    });
    const answer = await clientOf(fake).mountBlob(REPOSITORY, DIGEST, { from: parseRepository('gone'), mayRead }, CALL);
    expect(answer.kind).toBe('upload');
    expect(fake.log).toHaveLength(2);
  });
});

describe('uploads by hand', () => {
  test('appended, opened again by id, and committed', async () => {
    const client = clientOf(fake);
    const upload = await client.startUpload(REPOSITORY, {}, CALL);
    expect(await upload.append(BLOB.subarray(0, 1000), { start: 0 }, CALL)).toBe(1000);
    expect(await upload.append(inPieces(BLOB.slice(1000, 5000), 700), { size: 4000 }, CALL)).toBe(5000);
    const again = await client.openUpload(REPOSITORY, upload.id, CALL);
    expect(again.offset).toBe(5000);
    await again.commit(DIGEST, { body: BLOB.subarray(5000), start: 5000 }, CALL);
    expect(fake.blobs.get(DIGEST)).toEqual(BLOB);
  });

  test('a chunk at another place is RANGE_INVALID without a request', async () => {
    const upload = await clientOf(fake).startUpload(REPOSITORY, {}, CALL);
    fake.log.length = 0;
    expect((await failureOf(upload.append(BLOB, { start: 5 }, CALL))).code).toBe('RANGE_INVALID');
    expect(fake.log).toEqual([]);
  });

  test('cancelled is gone', async () => {
    const client = clientOf(fake);
    const upload = await client.startUpload(REPOSITORY, {}, CALL);
    await upload.cancel(CALL);
    expect((await failureOf(client.openUpload(REPOSITORY, upload.id, CALL))).code).toBe('BLOB_UPLOAD_UNKNOWN');
  });

  test('an id of another repository or host leads nowhere', async () => {
    const client = clientOf(fake);
    const upload = await client.startUpload(REPOSITORY, {}, CALL);
    fake.log.length = 0;
    const foreign = `L-${Buffer.from('http://evil.example/v2/demo/app/blobs/uploads/1').toString('base64url')}`;
    for (const id of [foreign, '../../x', 'L-%%%']) {
      expect((await failureOf(client.openUpload(REPOSITORY, id, CALL))).code).toBe('BLOB_UPLOAD_UNKNOWN');
    }
    const other = client.openUpload(parseRepository('demo/other'), upload.id, CALL);
    expect((await failureOf(other)).code).toBe('BLOB_UPLOAD_UNKNOWN');
    expect(fake.log).toEqual([]);
  });

  test('the registry’s least chunk length is obeyed', async () => {
    fake.on(/^POST /, ({ response }) => {
      response.setHeader('oci-chunk-min-length', '60000');
      return false;
    });
    const client = clientOf(fake, { quirks: { uploads: ['chunked'], chunkBytes: 1000 } });
    await client.putBlob(REPOSITORY, { digest: DIGEST }, BLOB, CALL);
    expect(fake.log).toEqual([POST, PATCH, PUT]);
  });
});

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
