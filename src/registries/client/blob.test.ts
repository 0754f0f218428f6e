import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import type { ServerResponse } from 'node:http';
import { digestOf, parseDigest } from '#core/oci';
import { blobBytes, CALL, clientOf, failureOf, REPOSITORY } from './client.fake.ts';
import { type FakeUpstream, reply, startUpstream } from './upstream.fake.ts';

let fake: FakeUpstream;
beforeEach(async () => {
  fake = await startUpstream();
});
afterEach(() => fake.stop());

const LAYER = new Uint8Array(300_000).map((_, index) => index * 31);

describe('blobs', () => {
  test('one GET, whole', async () => {
    const { layerDigest } = fake.addImage('v1', LAYER);
    expect(await blobBytes(clientOf(fake), layerDigest)).toEqual(LAYER);
    expect(fake.log).toEqual([expect.stringMatching(/^GET \/v2\/demo\/app\/blobs\/sha256:/)]);
  });

  test('an empty blob', async () => {
    const { layerDigest } = fake.addImage('v1', new Uint8Array());
    expect(await blobBytes(clientOf(fake), layerDigest)).toHaveLength(0);
  });

  const ranges: { name: string; range: { start: number; end?: number } }[] = [
    { name: 'the middle', range: { start: 1000, end: 70_000 } },
    { name: 'the end', range: { start: 299_000 } },
    { name: 'all of it', range: { start: 0 } },
    { name: 'past the end is clamped', range: { start: 299_990, end: 400_000 } },
    { name: 'nothing', range: { start: 7, end: 7 } },
  ];
  for (const ignoresRange of [false, true]) {
    for (const { name, range } of ranges) {
      test(`range, ${ignoresRange ? 'by a registry that knows none' : 'as asked'}: ${name}`, async () => {
        const { layerDigest } = fake.addImage('v1', LAYER);
        if (ignoresRange) {
          fake.on(/^GET /, ({ response }) => {
            reply(response, 200, {}, LAYER);
            return true;
          });
        }
        const bytes = await blobBytes(clientOf(fake), layerDigest, range);
        expect(bytes).toEqual(LAYER.slice(range.start, range.end));
      });
    }
  }

  test('a whole blob of a told length can be passed on as it comes, a part cannot', async () => {
    const { layerDigest } = fake.addImage('v1', LAYER);
    const client = clientOf(fake);
    const { value: whole } = await client.getBlob(REPOSITORY, parseDigest(layerDigest), {}, CALL);
    const handed = whole.kind === 'stream' ? whole.handOver?.() : undefined;
    expect(new Uint8Array(await new Response(handed?.body).arrayBuffer())).toEqual(LAYER);
    handed?.end();
    const { value: part } = await client.getBlob(REPOSITORY, parseDigest(layerDigest), { range: { start: 1 } }, CALL);
    expect(part).not.toHaveProperty('handOver');
    if (part.kind === 'stream') await part.body.cancel();
  });

  test('a range past the end is RANGE_INVALID', async () => {
    const { layerDigest } = fake.addImage('v1', LAYER);
    const failure = await failureOf(blobBytes(clientOf(fake), layerDigest, { start: LAYER.byteLength }));
    expect(failure.code).toBe('RANGE_INVALID');
  });

  test('a range past the end of a registry that knows none', async () => {
    const { layerDigest } = fake.addImage('v1', LAYER);
    fake.on(/^GET /, ({ response }) => {
      reply(response, 200, {}, LAYER);
      return true;
    });
    const failure = await failureOf(blobBytes(clientOf(fake), layerDigest, { start: LAYER.byteLength + 1 }));
    expect(failure.code).toBe('RANGE_INVALID');
  });

  test('a body without a length is measured by HEAD', async () => {
    const { layerDigest } = fake.addImage('v1', LAYER);
    fake.on(/^GET /, ({ response }) => {
      response.writeHead(200, {});
      response.write(LAYER.subarray(0, 1000));
      response.end(LAYER.subarray(1000));
      return true;
    });
    expect(await blobBytes(clientOf(fake), layerDigest)).toEqual(LAYER);
    expect(fake.log.map((line) => line.slice(0, 4))).toEqual(['GET ', 'HEAD']);
  });

  test('a wrong range is a lie', async () => {
    const { layerDigest } = fake.addImage('v1', LAYER);
    fake.on(/^GET /, ({ response }) => {
      reply(response, 206, { 'content-range': `bytes 0-9/${LAYER.byteLength}` }, LAYER.subarray(0, 10));
      return true;
    });
    expect((await failureOf(blobBytes(clientOf(fake), layerDigest, { start: 5, end: 15 }))).code).toBe(
      'UPSTREAM_INVALID',
    );
  });

  test('wrong bytes of the right length end in an error, and the last piece is held back', async () => {
    const { layerDigest } = fake.addImage('v1', LAYER);
    const wrong = LAYER.slice();
    wrong[5] = 99;
    fake.blobs.set(layerDigest, wrong);
    const { value } = await clientOf(fake).getBlob(REPOSITORY, parseDigest(layerDigest), {}, CALL);
    if (value.kind !== 'stream') throw new Error('no stream');
    let received = 0;
    const failure = await failureOf(
      (async () => {
        for await (const chunk of value.body) received += chunk.byteLength;
      })(),
    );
    expect(failure.code).toBe('UPSTREAM_INVALID');
    expect(received).toBeLessThan(LAYER.byteLength);
  });

  const broken: { name: string; cutAt: number; resumable: boolean; requests: number }[] = [
    { name: 'cut in the middle', cutAt: 100_000, resumable: true, requests: 2 },
    { name: 'cut before the first byte', cutAt: 0, resumable: true, requests: 2 },
    { name: 'cut before the last byte', cutAt: LAYER.byteLength - 1, resumable: true, requests: 2 },
    { name: 'cut, and the answer to the range is the whole', cutAt: 100_000, resumable: false, requests: 2 },
  ];
  for (const { name, cutAt, resumable, requests } of broken) {
    test(`a broken download is resumed: ${name}`, async () => {
      const { layerDigest } = fake.addImage('v1', LAYER);
      fake.on(/^GET .*blobs/, ({ response }) => cutAfter(response, LAYER, cutAt), 1);
      if (!resumable) {
        fake.on(/^GET .*blobs/, ({ response }) => {
          reply(response, 200, {}, LAYER);
          return true;
        });
      }
      expect(await blobBytes(clientOf(fake), layerDigest)).toEqual(LAYER);
      expect(fake.log).toHaveLength(requests);
    });
  }

  test('a range that breaks is resumed within the range', async () => {
    const { layerDigest } = fake.addImage('v1', LAYER);
    fake.on(
      /^GET /,
      ({ response }) => {
        response.writeHead(206, {
          'content-range': `bytes 1000-199999/${LAYER.byteLength}`,
          'content-length': '199000',
        });
        response.write(LAYER.subarray(1000, 50_000), () => response.destroy());
        return true;
      },
      1,
    );
    const seen: (string | undefined)[] = [];
    fake.on(/^GET /, ({ request }) => {
      seen.push(request.headers.range);
      return false;
    });
    expect(await blobBytes(clientOf(fake), layerDigest, { start: 1000, end: 200_000 })).toEqual(
      LAYER.slice(1000, 200_000),
    );
    expect(seen).toEqual([expect.stringMatching(/^bytes=\d+-199999$/)]);
  });

  test('an upstream that always cuts is given up, with an error', async () => {
    const { layerDigest } = fake.addImage('v1', LAYER);
    fake.on(/^GET .*blobs/, ({ response }) => {
      response.writeHead(200, { 'content-length': String(LAYER.byteLength) });
      response.flushHeaders();
      setTimeout(() => response.destroy(), 5);
      return true;
    });
    expect((await failureOf(blobBytes(clientOf(fake), layerDigest))).code).toBe('UPSTREAM_UNAVAILABLE');
    expect(fake.log.length).toBeLessThan(40);
  });

  test('an upstream that stops sending is left after the idle time, and resumed', async () => {
    const { layerDigest } = fake.addImage('v1', LAYER);
    fake.on(
      /^GET .*blobs/,
      ({ response }) => {
        response.writeHead(200, { 'content-length': String(LAYER.byteLength) });
        response.write(LAYER.subarray(0, 5000));
        return true;
      },
      1,
    );
    const client = clientOf(fake, { timeouts: { idleMs: 50, responseMs: 2000, commitMs: 2000 } });
    expect(await blobBytes(client, layerDigest)).toEqual(LAYER);
    expect(fake.log).toHaveLength(2);
  });

  test('whoever stops reading ends the download, also one that hangs', async () => {
    const { layerDigest } = fake.addImage('v1', LAYER);
    const closed = new Promise<void>((resolve) => {
      fake.on(/^GET .*blobs/, ({ response }) => {
        response.on('close', () => resolve());
        response.writeHead(200, { 'content-length': String(LAYER.byteLength) });
        response.write(LAYER.subarray(0, 5000));
        return true;
      });
    });
    const { value } = await clientOf(fake).getBlob(REPOSITORY, parseDigest(layerDigest), {}, CALL);
    if (value.kind !== 'stream') throw new Error('no stream');
    const reader = value.body.getReader();
    await reader.read();
    await reader.cancel();
    await closed;
  });

  test('the caller’s signal ends a download with the caller’s reason', async () => {
    const { layerDigest } = fake.addImage('v1', LAYER);
    fake.on(/^GET .*blobs/, ({ response }) => {
      response.writeHead(200, { 'content-length': String(LAYER.byteLength) });
      response.write(LAYER.subarray(0, 5000));
      return true;
    });
    const controller = new AbortController();
    const { value } = await clientOf(fake).getBlob(
      REPOSITORY,
      parseDigest(layerDigest),
      {},
      { ...CALL, signal: controller.signal },
    );
    if (value.kind !== 'stream') throw new Error('no stream');
    const reader = value.body.getReader();
    await reader.read();
    controller.abort(new Error('enough'));
    await expect(reader.read()).rejects.toThrow('enough');
  });

  test('a slow reader holds the sender back', async () => {
    let sent = 0;
    const total = 64 * 1024 * 1024;
    fake.on(/^GET .*blobs/, async ({ response }) => {
      response.writeHead(200, { 'content-length': String(total) });
      response.on('error', () => {});
      const piece = Buffer.alloc(256 * 1024);
      while (sent < total && !response.closed) {
        sent += piece.byteLength;
        if (!response.write(piece)) await new Promise((resolve) => response.once('drain', resolve));
      }
      return true;
    });
    const { value } = await clientOf(fake).getBlob(REPOSITORY, digestOf('x'), {}, CALL);
    if (value.kind !== 'stream') throw new Error('no stream');
    const reader = value.body.getReader();
    for (let reads = 0; reads < 5; reads++) {
      await reader.read();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(sent).toBeLessThan(total / 2);
    await reader.cancel();
  });
});

/** Sends `bytes` up to `cutAt` of a body of the full length, then breaks the connection. */
function cutAfter(response: ServerResponse, bytes: Uint8Array, cutAt: number): boolean {
  response.writeHead(200, { 'content-length': String(bytes.byteLength) });
  response.flushHeaders();
  if (cutAt === 0) setTimeout(() => response.destroy(), 5);
  else response.write(bytes.subarray(0, cutAt), () => setTimeout(() => response.destroy(), 5));
  return true;
}
