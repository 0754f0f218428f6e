import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { type Digest, digestOf, MediaType, parseDigest, parseTag } from '#core/oci';
import { blobBytes, CALL, clientOf, failureOf, REPOSITORY, V1 } from './client.fake.ts';
import { type FakeUpstream, reply, startUpstream, wireError } from './upstream.fake.ts';

let fake: FakeUpstream;
beforeEach(async () => {
  fake = await startUpstream();
});
afterEach(() => fake.stop());

const LAYER = new Uint8Array(300_000).map((_, index) => index * 31);

describe('manifests', () => {
  test('resolve is one HEAD', async () => {
    const { digest, manifest } = fake.addImage('v1');
    const { value, served } = await clientOf(fake).resolveManifest(REPOSITORY, V1, CALL);
    expect(value).toEqual({ mediaType: MediaType.ociManifest, digest: digest as Digest, size: manifest.byteLength });
    expect(served).toMatchObject({ by: fake.host, upstream: fake.host });
    expect(fake.log).toEqual(['HEAD /v2/demo/app/manifests/v1']);
  });

  test('resolve asks with GET where the HEAD names no digest', async () => {
    const { digest } = fake.addImage('v1');
    fake.on(/^HEAD /, ({ response }) => {
      reply(response, 200, { 'content-type': MediaType.ociManifest });
      return true;
    });
    expect((await clientOf(fake).resolveManifest(REPOSITORY, V1, CALL)).value.digest).toBe(digest as Digest);
    expect(fake.log).toEqual(['HEAD /v2/demo/app/manifests/v1', 'GET /v2/demo/app/manifests/v1']);
  });

  test('get is one GET of the exact bytes', async () => {
    const { manifest } = fake.addImage('v1');
    const { value } = await clientOf(fake).getManifest(REPOSITORY, V1, CALL);
    expect(value.bytes).toEqual(manifest);
    expect(fake.log).toEqual(['GET /v2/demo/app/manifests/v1']);
  });

  test('sha512 references are verified by sha512', async () => {
    const { manifest } = fake.addImage('v1');
    const digest = digestOf(manifest, 'sha512');
    fake.manifests.set(digest, { bytes: manifest, mediaType: MediaType.ociManifest });
    expect((await clientOf(fake).getManifest(REPOSITORY, digest, CALL)).value.descriptor.digest).toBe(digest);
  });

  test('warnings of the registry are passed on', async () => {
    const { manifest, digest } = fake.addImage('v1');
    fake.on(/^GET /, ({ response }) => {
      const headers = {
        'content-type': MediaType.ociManifest,
        'docker-content-digest': digest,
        warning: '299 - "old \\"app\\""',
      };
      reply(response, 200, headers, manifest);
      return true;
    });
    expect((await clientOf(fake).getManifest(REPOSITORY, V1, CALL)).served.warnings).toEqual(['old "app"']);
  });

  const lies: {
    name: string;
    headers?: Record<string, string>;
    body?: (manifest: Uint8Array) => Uint8Array | string;
    why: RegExp;
  }[] = [
    {
      name: 'other bytes than the digest it names',
      body: () => '{"schemaVersion":2}',
      why: /has digest sha256:.* not sha256:/,
    },
    { name: 'a body that is no JSON', headers: { 'docker-content-digest': '' }, body: () => '<html>', why: /not JSON/ },
    {
      name: 'a type that the body contradicts',
      headers: { 'content-type': MediaType.ociIndex },
      why: /differs from Content-Type/,
    },
    {
      name: 'a login page',
      headers: { 'content-type': 'text/html', 'docker-content-digest': '' },
      body: () => '<html>',
      why: /text\/html/,
    },
    {
      name: 'schema 1',
      headers: { 'content-type': 'application/vnd.docker.distribution.manifest.v1+prettyjws' },
      why: /schema 1/,
    },
  ];
  for (const lie of lies) {
    test(`a lie is UPSTREAM_INVALID: ${lie.name}`, async () => {
      const { manifest, digest } = fake.addImage('v1');
      fake.on(/^GET /, ({ response }) => {
        const headers = { 'content-type': MediaType.ociManifest, 'docker-content-digest': digest, ...lie.headers };
        reply(response, 200, headers, lie.body?.(manifest) ?? manifest);
        return true;
      });
      const failure = await failureOf(clientOf(fake).getManifest(REPOSITORY, V1, CALL));
      expect(failure.code).toBe('UPSTREAM_INVALID');
      expect(failure.why).toMatch(lie.why);
    });
  }

  test('a digest that was asked for binds, whatever the header says', async () => {
    const { manifest, digest } = fake.addImage('v1');
    fake.on(/^GET /, ({ response }) => {
      const other = new TextEncoder().encode(`${new TextDecoder().decode(manifest)} `);
      reply(response, 200, { 'content-type': MediaType.ociManifest, 'docker-content-digest': digestOf(other) }, other);
      return true;
    });
    const failure = await failureOf(clientOf(fake).getManifest(REPOSITORY, digest as Digest, CALL));
    expect(failure.code).toBe('UPSTREAM_INVALID');
  });

  test('a manifest beyond the bound is refused without reading it all', async () => {
    let sent = 0;
    fake.on(/^GET /, async ({ response }) => {
      response.on('error', () => {});
      response.writeHead(200, { 'content-type': MediaType.ociManifest });
      const piece = Buffer.alloc(1024 * 1024, 32);
      for (; sent < 64 && !response.destroyed && !response.closed; sent++) {
        if (!response.write(piece)) await new Promise((resolve) => setTimeout(resolve, 5));
      }
      response.end();
      return true;
    });
    expect((await failureOf(clientOf(fake).getManifest(REPOSITORY, V1, CALL))).code).toBe('MANIFEST_TOO_LARGE');
  });

  test('a declared length beyond the bound is enough', async () => {
    fake.on(/^GET /, ({ response }) => {
      response.writeHead(200, { 'content-type': MediaType.ociManifest, 'content-length': '67108864' });
      response.write('{');
      return true;
    });
    expect((await failureOf(clientOf(fake).getManifest(REPOSITORY, V1, CALL))).code).toBe('MANIFEST_TOO_LARGE');
  });

  test('the next request after a lie works', async () => {
    const { digest } = fake.addImage('v1');
    fake.on(
      /^GET /,
      ({ response }) => {
        reply(response, 200, { 'content-type': MediaType.ociManifest, 'docker-content-digest': digest }, 'x');
        return true;
      },
      1,
    );
    const client = clientOf(fake);
    await failureOf(client.getManifest(REPOSITORY, V1, CALL));
    expect((await client.getManifest(REPOSITORY, V1, CALL)).value.descriptor.digest).toBe(digest as Digest);
  });
});

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
function cutAfter(response: import('node:http').ServerResponse, bytes: Uint8Array, cutAt: number): boolean {
  response.writeHead(200, { 'content-length': String(bytes.byteLength) });
  response.flushHeaders();
  if (cutAt === 0) setTimeout(() => response.destroy(), 5);
  else response.write(bytes.subarray(0, cutAt), () => setTimeout(() => response.destroy(), 5));
  return true;
}

describe('refusals', () => {
  const cases: {
    name: string;
    status: number;
    code: string;
    headers?: Record<string, string>;
    body?: string;
    expected: string;
    requests?: number;
  }[] = [
    { name: '404', status: 404, code: 'MANIFEST_UNKNOWN', expected: 'MANIFEST_UNKNOWN' },
    { name: '404 of the repository', status: 404, code: 'NAME_UNKNOWN', expected: 'NAME_UNKNOWN' },
    { name: '404 by a proxy', status: 404, code: 'whatever', expected: 'MANIFEST_UNKNOWN' },
    { name: '403', status: 403, code: 'DENIED', expected: 'DENIED' },
    { name: '400', status: 400, code: 'NAME_INVALID', expected: 'NAME_INVALID' },
    { name: '400 in words of its own', status: 400, code: 'HUH', expected: 'REQUEST_INVALID' },
    { name: '418', status: 418, code: 'INTERNAL', expected: 'REQUEST_INVALID' },
    { name: '204', status: 204, code: 'X', expected: 'UPSTREAM_INVALID' },
    { name: '500', status: 500, code: 'UNKNOWN', expected: 'UPSTREAM_UNAVAILABLE', requests: 5 },
    { name: '503', status: 503, code: 'UNAVAILABLE', expected: 'UPSTREAM_UNAVAILABLE', requests: 5 },
    { name: '504', status: 504, code: 'X', expected: 'UPSTREAM_TIMEOUT', requests: 5 },
    { name: '501', status: 501, code: 'X', expected: 'UNSUPPORTED' },
    { name: '429', status: 429, code: 'TOOMANYREQUESTS', expected: 'TOOMANYREQUESTS', requests: 5 },
  ];
  for (const { name, status, code, expected, requests } of cases) {
    test(`${name} is ${expected}`, async () => {
      fake.on(/^GET /, ({ response }) => {
        wireError(response, status, code, { 'x-request-id': 'r-1' });
        return true;
      });
      const failure = await failureOf(clientOf(fake).getManifest(REPOSITORY, V1, CALL));
      expect(failure).toMatchObject({
        code: expected,
        origin: 'upstream',
        upstream: {
          registry: fake.host,
          request: `GET ${fake.url}/v2/demo/app/manifests/v1`,
          status,
          requestId: 'r-1',
          attempts: requests ?? 1,
        },
      });
      expect(fake.log).toHaveLength(requests ?? 1);
    });
  }

  test('the upstream’s own words stand in the error', async () => {
    fake.on(/^GET /, ({ response }) => {
      wireError(response, 403, 'DENIED');
      return true;
    });
    const failure = await failureOf(clientOf(fake).getManifest(REPOSITORY, V1, CALL));
    expect(failure.why).toContain('DENIED: denied it is');
  });

  test('an endless error body is read to its bound', async () => {
    fake.on(/^GET /, ({ response }) => {
      reply(response, 403, {}, 'e'.repeat(5_000_000));
      return true;
    });
    const failure = await failureOf(clientOf(fake).getManifest(REPOSITORY, V1, CALL));
    expect(failure.code).toBe('DENIED');
    expect(failure.why?.length).toBeLessThan(400);
  });

  test('403 for what is hidden, where the product is known to do so', async () => {
    fake.on(/^HEAD /, ({ response }) => {
      reply(response, 403, {});
      return true;
    });
    const client = clientOf(fake, { quirks: { deniedMeansUnknown: true } });
    expect((await failureOf(client.resolveManifest(REPOSITORY, V1, CALL))).code).toBe('MANIFEST_UNKNOWN');
  });
});

describe('trying again', () => {
  const flaky = (times: number, headers: Record<string, string> = {}, status = 503) =>
    fake.on(
      /^GET /,
      ({ response }) => {
        reply(response, status, headers);
        return true;
      },
      times,
    );

  test('waits grow, and success ends it', async () => {
    fake.addImage('v1');
    flaky(3);
    const client = clientOf(fake);
    await client.getManifest(REPOSITORY, V1, CALL);
    expect(client.waits).toEqual([500, 1000, 2000]);
  });

  test('Retry-After in seconds is waited for', async () => {
    fake.addImage('v1');
    flaky(1, { 'retry-after': '7' }, 429);
    const client = clientOf(fake);
    await client.getManifest(REPOSITORY, V1, CALL);
    expect(client.waits).toEqual([7000]);
  });

  test('Retry-After as a date is waited for', async () => {
    fake.addImage('v1');
    flaky(1, { 'retry-after': 'Thu, 01 Jan 2026 00:00:20 GMT' }, 429);
    const waits: number[] = [];
    const clock = {
      now: () => Date.UTC(2026, 0, 1),
      sleep: async (delayMs: number) => {
        waits.push(delayMs);
      },
    };
    await clientOf(fake, { clock }).getManifest(REPOSITORY, V1, CALL);
    expect(waits).toEqual([20_000]);
  });

  test('a Retry-After of an hour is told instead of waited for', async () => {
    flaky(9, { 'retry-after': '3600' }, 429);
    const client = clientOf(fake);
    const failure = await failureOf(client.getManifest(REPOSITORY, V1, CALL));
    expect(failure).toMatchObject({ code: 'TOOMANYREQUESTS', retryAfterMs: 3_600_000 });
    expect(fake.log).toHaveLength(1);
    expect(client.waits).toEqual([]);
  });

  test('a connection that breaks before an answer', async () => {
    fake.addImage('v1');
    fake.on(
      /^GET /,
      ({ response }) => {
        response.destroy();
        return true;
      },
      2,
    );
    await clientOf(fake).getManifest(REPOSITORY, V1, CALL);
    expect(fake.log).toHaveLength(3);
  });

  test('an upstream that hangs is UPSTREAM_TIMEOUT', async () => {
    fake.on(/^GET /, () => true);
    const client = clientOf(fake, { timeouts: { responseMs: 30, idleMs: 30, commitMs: 30 }, retry: { attempts: 2 } });
    const failure = await failureOf(client.getManifest(REPOSITORY, V1, CALL));
    expect(failure.code).toBe('UPSTREAM_TIMEOUT');
    expect(fake.log).toHaveLength(2);
  });

  test('nobody there is UPSTREAM_UNAVAILABLE with the address', async () => {
    const client = clientOf(fake);
    await fake.stop();
    const failure = await failureOf(client.getManifest(REPOSITORY, V1, CALL));
    expect(failure.code).toBe('UPSTREAM_UNAVAILABLE');
    expect(failure.why).toContain('ECONNREFUSED');
    fake = await startUpstream();
  });

  test('the caller’s signal ends the waiting', async () => {
    fake.on(/^GET /, () => true);
    const controller = new AbortController();
    const reading = clientOf(fake).getManifest(REPOSITORY, V1, { ...CALL, signal: controller.signal });
    setTimeout(() => controller.abort(new Error('enough')), 20);
    await expect(reading).rejects.toThrow('enough');
    expect(fake.log).toHaveLength(1);
  });

  test('requests in flight stay within the limit', async () => {
    fake.addImage('v1');
    let flying = 0;
    let most = 0;
    fake.on(/^GET /, async () => {
      flying++;
      most = Math.max(most, flying);
      await new Promise((resolve) => setTimeout(resolve, 5));
      flying--;
      return false;
    });
    const client = clientOf(fake, { quirks: { concurrency: 3 } });
    await Promise.all(
      Array.from({ length: 12 }, (_, index) => client.getManifest(REPOSITORY, index % 2 ? V1 : parseTag('v1'), CALL)),
    );
    expect(most).toBe(3);
  });

  test('rate limits are kept and told', async () => {
    const { manifest } = fake.addImage('v1');
    fake.on(/^GET /, ({ response }) => {
      reply(
        response,
        200,
        {
          'content-type': MediaType.ociManifest,
          'ratelimit-limit': '100;w=21600',
          'ratelimit-remaining': '87;w=21600',
          'docker-ratelimit-source': '192.0.2.1',
        },
        manifest,
      );
      return true;
    });
    const client = clientOf(fake);
    await client.getManifest(REPOSITORY, V1, CALL);
    expect(client.state().rateLimit).toMatchObject({
      limit: 100,
      remaining: 87,
      windowSeconds: 21_600,
      source: '192.0.2.1',
    });
  });
});
