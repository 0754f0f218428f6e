import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { digestOf, MediaType, type RegistryError } from '#core/oci';
import type { Upstream } from '#registries/proxy';
import { CALL, REPOSITORY, V1 } from '../../src/registries/client/client.fake.ts';
import { type FakeUpstream, reply, startUpstream } from '../../src/registries/client/upstream.fake.ts';
import { blobOf, endless, governed, manifestOf, rawServer, refusalOf } from './hostile.ts';

/* Answers of an upstream that means harm: too long, packed, contradictory. The classes stand in hostile-upstream.test.ts. */

let fake: FakeUpstream;
beforeEach(async () => {
  fake = await startUpstream();
  fake.addImage('v1');
});
afterEach(() => fake.stop());

describe('lengths', () => {
  const layer = new TextEncoder().encode('0123456789');
  const digest = digestOf(layer);
  const lies: { name: string; answer: string }[] = [
    { name: 'two that differ', answer: 'Content-Length: 10\r\nContent-Length: 5\r\n\r\n0123456789' },
    { name: 'one below nothing', answer: 'Content-Length: -10\r\n\r\n0123456789' },
    {
      name: 'a short one beside chunks',
      answer: 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n',
    },
    { name: 'chunks of no length', answer: 'Transfer-Encoding: chunked\r\n\r\nzzz\r\n0123456789' },
    { name: 'one that is too short', answer: 'Content-Length: 5\r\n\r\n0123456789' },
  ];
  for (const { name, answer } of lies) {
    test(`${name}: the blob does not end well`, async () => {
      const server = await rawServer((socket) => socket.end(`HTTP/1.1 200 OK\r\n${answer}`));
      try {
        const upstream = governed(server.host);
        expect((await refusalOf(upstream, blobOf(upstream, digest))).code).toBe('UPSTREAM_INVALID');
      } finally {
        server.stop();
      }
    });
  }

  test('a blob without any, which is longer than its HEAD said', async () => {
    fake.blobs.set(digest, layer);
    let sent = { sentBytes: 0 };
    fake.on(/^GET .*blobs/, ({ response }) => {
      response.writeHead(200, { 'transfer-encoding': 'chunked' });
      sent = endless(response, new Uint8Array(16_384));
      return true;
    });
    const upstream = governed(fake.host);
    expect(await refusalOf(upstream, blobOf(upstream, digest))).toMatchObject({
      code: 'UPSTREAM_INVALID',
      why: expect.stringContaining('more than the 10 bytes'),
    });
    expect(sent.sentBytes).toBeLessThan(8_000_000);
  });
});

/** What a question may draw from the line before it is refused: bounds are of some MiB, buffers on the way likewise. */
const DRAWN_BYTES = 24 * 1024 * 1024;

describe('endless bodies', () => {
  const junk = new TextEncoder().encode(`${'x'.repeat(65_535)}\n`);
  const questions: {
    name: string;
    pattern: RegExp;
    status: number;
    ask: (upstream: Upstream) => Promise<unknown>;
    code: string;
  }[] = [
    { name: 'a manifest', pattern: /manifests/, status: 200, ask: manifestOf, code: 'MANIFEST_TOO_LARGE' },
    { name: 'an error', pattern: /manifests/, status: 403, ask: manifestOf, code: 'DENIED' },
    { name: 'an outage', pattern: /manifests/, status: 500, ask: manifestOf, code: 'UPSTREAM_UNAVAILABLE' },
    { name: 'a token', pattern: /^GET \/token/, status: 200, ask: manifestOf, code: 'UPSTREAM_INVALID' },
    { name: 'a refused token', pattern: /^GET \/token/, status: 403, ask: manifestOf, code: 'UNAUTHORIZED' },
    {
      name: 'a tag list',
      pattern: /tags/,
      status: 200,
      ask: ({ reader }) => reader.tags(REPOSITORY, { limit: 10 }, CALL),
      code: 'UPSTREAM_INVALID',
    },
    {
      name: 'a catalog',
      pattern: /_catalog/,
      status: 200,
      ask: ({ reader }) => reader.repositories({ limit: 10 }, CALL),
      code: 'UPSTREAM_INVALID',
    },
    {
      name: 'referrers',
      pattern: /referrers/,
      status: 200,
      ask: ({ reader }) => reader.referrers(REPOSITORY, digestOf(junk), {}, CALL),
      code: 'UPSTREAM_INVALID',
    },
    {
      name: 'a redirect',
      pattern: /manifests/,
      status: 307,
      ask: manifestOf,
      code: 'UPSTREAM_INVALID',
    },
  ];
  for (const { name, pattern, status, ask, code } of questions) {
    test(`${name} is read to its bound`, async () => {
      let sent = { sentBytes: 0 };
      if (pattern.test('GET /token')) fake.settings.auth = 'bearer';
      fake.on(pattern, ({ response }) => {
        response.writeHead(status, {
          'transfer-encoding': 'chunked',
          'content-type': MediaType.ociIndex,
          location: '/v2/demo/app/manifests/v1',
        });
        sent = endless(response, junk);
        return true;
      });
      const upstream = governed(fake.host);
      expect((await refusalOf(upstream, ask(upstream))).code).toBe(code as RegistryError['code']);
      expect(sent.sentBytes).toBeLessThan(DRAWN_BYTES);
    });
  }
});

describe('packed bodies', () => {
  /** 64 MiB of nothing in some 64 KiB. */
  const bomb = gzipSync(new Uint8Array(64 * 1024 * 1024));
  const packed = { 'content-encoding': 'gzip' };
  const questions: { name: string; pattern: RegExp; ask: (upstream: Upstream) => Promise<unknown>; status: number }[] =
    [
      { name: 'a manifest', pattern: /manifests/, ask: manifestOf, status: 200 },
      { name: 'an error', pattern: /manifests/, ask: manifestOf, status: 400 },
      {
        name: 'a tag list',
        pattern: /tags/,
        ask: ({ reader }) => reader.tags(REPOSITORY, { limit: 10 }, CALL),
        status: 200,
      },
    ];
  for (const { name, pattern, ask, status } of questions) {
    test(`${name} is not unpacked`, async () => {
      fake.on(pattern, ({ response }) => {
        reply(response, status, { 'content-type': MediaType.ociManifest, ...packed }, bomb);
        return true;
      });
      const upstream = governed(fake.host);
      const before = process.memoryUsage().arrayBuffers;
      const refusal = await refusalOf(upstream, ask(upstream));
      expect(['UPSTREAM_INVALID', 'REQUEST_INVALID']).toContain(refusal.code);
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * 1024 * 1024);
    });
  }

  test('a blob is its bytes on the line: packed ones have another digest', async () => {
    const layer = new Uint8Array(100_000);
    const digest = digestOf(layer);
    fake.on(/blobs/, ({ response }) => {
      reply(response, 200, packed, gzipSync(layer));
      return true;
    });
    const upstream = governed(fake.host);
    expect((await refusalOf(upstream, blobOf(upstream, digest))).code).toBe('UPSTREAM_INVALID');
  });

  test('a blob whose packed bytes are those of the digest is passed on as it is', async () => {
    const layer = gzipSync(new Uint8Array(100_000));
    const digest = digestOf(layer);
    fake.on(/blobs/, ({ response }) => {
      reply(response, 200, packed, layer);
      return true;
    });
    expect(await blobOf(governed(fake.host), digest)).toEqual(new Uint8Array(layer));
  });
});

describe('headers', () => {
  const attacks: { name: string; send: (socket: Socket) => void }[] = [
    {
      name: 'many thousands',
      send: (socket) => {
        const lines = Array.from({ length: 20_000 }, (_, index) => `x-${index}: y\r\n`);
        socket.end(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${lines.join('')}\r\n{}`);
      },
    },
    {
      name: 'one of megabytes',
      send: (socket) =>
        socket.end(`HTTP/1.1 200 OK\r\nx-long: ${'a'.repeat(2_000_000)}\r\nContent-Length: 2\r\n\r\n{}`),
    },
    { name: 'garbage for a status', send: (socket) => socket.end('SSH-2.0-OpenSSH_9.7\r\n') },
  ];
  for (const { name, send } of attacks) {
    test(`${name}: refused, and the next request works`, async () => {
      let isHostile = true;
      const server = await rawServer((socket) => {
        if (isHostile) return send(socket);
        socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n');
      });
      try {
        const upstream = governed(server.host);
        expect((await refusalOf(upstream, manifestOf(upstream))).code).toBe('UPSTREAM_INVALID');
        isHostile = false;
        expect((await refusalOf(upstream, manifestOf(upstream))).code).toBe('MANIFEST_UNKNOWN');
      } finally {
        server.stop();
      }
    });
  }

  test('warnings are passed on within bounds', async () => {
    fake.on(/^HEAD/, ({ response }) => {
      response.setHeader('warning', Array.from({ length: 20 }, () => `299 - "${'w'.repeat(600)}"`).join(', '));
      return false;
    });
    const upstream = governed(fake.host);
    const { served } = await upstream.reader.resolveManifest(REPOSITORY, V1, CALL);
    expect(served.warnings.join('').length).toBeLessThanOrEqual(4096);
  });

  test('limits of a stranger’s invention are taken for what they can be', async () => {
    fake.on(/^GET/, ({ response }) => {
      response.setHeader('ratelimit-limit', '-5;w=99999999999');
      response.setHeader('ratelimit-remaining', 'Infinity');
      response.setHeader('ratelimit-reset', '9'.repeat(40));
      return false;
    });
    const upstream = governed(fake.host);
    await manifestOf(upstream);
    await manifestOf(upstream);
    expect(fake.log).toHaveLength(2);
  });
});
