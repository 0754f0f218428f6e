import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { digestOf } from '#core/oci';
import { CALL, clientOf, failureOf, inPieces, REPOSITORY } from './client.fake.ts';
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

  test('a registry that refuses in the middle of a body ends the source too', async () => {
    let isAnswered = false;
    using rude = Bun.listen({
      hostname: '127.0.0.1',
      port: 0,
      socket: {
        data(socket) {
          if (!isAnswered) socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno');
          isAnswered = true;
        },
      },
    });
    fake.on(/^POST /, ({ response }) => {
      reply(response, 202, { location: `http://127.0.0.1:${rude.port}/put` });
      return true;
    });
    const cancelled = Promise.withResolvers<void>();
    const endless = new ReadableStream<Uint8Array>(
      { pull: (controller) => controller.enqueue(new Uint8Array(65_536)), cancel: () => cancelled.resolve() },
      { highWaterMark: 0 },
    );
    const failure = await failureOf(
      clientOf(fake).putBlob(REPOSITORY, { digest: DIGEST, size: 2 ** 40 }, endless, CALL),
    );
    expect(failure.code).toBe('BLOB_TOO_LARGE');
    await cancelled.promise;
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
