import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf } from '#core/oci';
import { bodyOf, memory, type Registry, rangeWithin } from '#core/registry';
import { type ByteStream, streamOf } from '#core/std';
import { codesOf, createFixture, pushBlob } from './fixture.ts';

const TEXT = 'The quick brown fox jumps over the lazy dog';

const folder = mkdtempSync(join(tmpdir(), 'entrepot-blob-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A registry that answers blobs as `turn` makes them of their bytes. */
function answering(turn: (part: Uint8Array, whole: { path: string; start: number; end: number }) => Turned): Registry {
  const inner = memory();
  return {
    ...inner,
    async getBlob(repository, digest, options, call) {
      const { value, served } = await inner.getBlob(repository, digest, {}, call);
      const bytes = await new Response(bodyOf(value)).bytes();
      const path = join(folder, digest.slice(7, 27));
      await Bun.write(path, bytes);
      const { start, end } = rangeWithin(bytes.length, options.range);
      const { descriptor } = value;
      return { served, value: { descriptor, ...turn(bytes.slice(start, end), { path, start, end }) } };
    },
  };
}
type Turned = { kind: 'file'; file: Blob } | { kind: 'stream'; body: ByteStream };

const registries = [
  { name: 'content in memory', make: memory },
  { name: 'streams', make: () => answering((part) => ({ kind: 'stream', body: streamOf(part) })) },
  {
    name: 'files',
    make: () => answering((_part, { path, start, end }) => ({ kind: 'file', file: Bun.file(path).slice(start, end) })),
  },
];

describe.each(registries)('blobs as $name', ({ make }) => {
  test('GET and HEAD', async () => {
    const fixture = createFixture({ registry: make() });
    const digest = await pushBlob(fixture, 'team/app', TEXT);
    const path = `/v2/team/app/blobs/${digest}`;
    const got = await fixture.send('GET', path);
    expect(got.status).toBe(200);
    expect(got.headers.get('docker-content-digest')).toBe(digest);
    expect(await got.text()).toBe(TEXT);
    const head = await fixture.send('HEAD', path);
    expect(head.headers.get('content-length')).toBe(String(TEXT.length));
    expect(head.headers.get('docker-content-digest')).toBe(digest);
    const unchanged = await fixture.send('GET', path, { headers: { 'if-none-match': `"${digest}"` } });
    expect(unchanged.status).toBe(304);
  });

  test('an empty blob', async () => {
    const fixture = createFixture({ registry: make() });
    const digest = await pushBlob(fixture, 'app', '');
    const got = await fixture.send('GET', `/v2/app/blobs/${digest}`);
    expect(got.status).toBe(200);
    expect(await got.text()).toBe('');
  });

  const ranges = [
    { name: 'a range', range: 'bytes=4-8', status: 206, body: 'quick', contentRange: 'bytes 4-8/43' },
    { name: 'from a byte on', range: 'bytes=40-', status: 206, body: 'dog', contentRange: 'bytes 40-42/43' },
    { name: 'the last bytes', range: 'bytes=-3', status: 206, body: 'dog', contentRange: 'bytes 40-42/43' },
    { name: 'more than there is', range: 'bytes=40-99', status: 206, body: 'dog', contentRange: 'bytes 40-42/43' },
    { name: 'the last 99', range: 'bytes=-99', status: 206, body: TEXT, contentRange: 'bytes 0-42/43' },
    { name: 'past the end', range: 'bytes=43-', status: 416, body: undefined, contentRange: 'bytes */43' },
    { name: 'backwards', range: 'bytes=5-4', status: 416, body: undefined, contentRange: 'bytes */43' },
    { name: 'nothing at the end', range: 'bytes=-0', status: 416, body: undefined, contentRange: 'bytes */43' },
    { name: 'another unit', range: 'lines=1-2', status: 200, body: TEXT, contentRange: null },
    { name: 'no syntax', range: 'bytes=one-two', status: 200, body: TEXT, contentRange: null },
    { name: 'a bare dash', range: 'bytes=-', status: 200, body: TEXT, contentRange: null },
  ];
  test.each(ranges)('$name: $range', async ({ range, status, body, contentRange }) => {
    const fixture = createFixture({ registry: make() });
    const digest = await pushBlob(fixture, 'app', TEXT);
    const response = await fixture.send('GET', `/v2/app/blobs/${digest}`, { headers: { range } });
    expect(response.status).toBe(status);
    expect(response.headers.get('content-range')).toBe(contentRange);
    if (body === undefined) {
      expect(await response.clone().text()).toContain('the blob has 43 bytes');
      expect(await codesOf(response)).toEqual(['RANGE_INVALID']);
    } else expect(await response.text()).toBe(body);
  });

  test('several ranges come as parts', async () => {
    const fixture = createFixture({ registry: make() });
    const digest = await pushBlob(fixture, 'app', TEXT);
    const headers = { range: 'bytes=4-8, -3, 90-99' };
    const response = await fixture.send('GET', `/v2/app/blobs/${digest}`, { headers });
    expect(response.status).toBe(206);
    const boundary = /^multipart\/byteranges; boundary=(.+)$/.exec(response.headers.get('content-type') ?? '')?.[1];
    const part = (range: string, text: string) =>
      `\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes ${range}/43\r\n\r\n${text}`;
    expect(await response.text()).toBe(`${part('4-8', 'quick')}${part('40-42', 'dog')}\r\n--${boundary}--\r\n`);
  });

  test('If-Range with another content means the whole', async () => {
    const fixture = createFixture({ registry: make() });
    const digest = await pushBlob(fixture, 'app', TEXT);
    const path = `/v2/app/blobs/${digest}`;
    const asked = (etag: string) => fixture.send('GET', path, { headers: { range: 'bytes=0-2', 'if-range': etag } });
    expect((await asked('"sha256:0"')).status).toBe(200);
    expect((await asked(`"${digest}"`)).status).toBe(206);
  });
});

describe('blobs', () => {
  const many = [
    { name: 'more ranges than the bound', range: `bytes=${new Array(65).fill('0-0').join(',')}` },
    { name: 'ranges that overlap to more than the blob', range: 'bytes=0-40,0-40' },
  ];
  test.each(many)('$name: 416', async ({ range }) => {
    const fixture = createFixture();
    const digest = await pushBlob(fixture, 'app', TEXT);
    const response = await fixture.send('GET', `/v2/app/blobs/${digest}`, { headers: { range } });
    expect(response.status).toBe(416);
  });

  test('a redirect passes through, with the digest', async () => {
    const inner = memory();
    const url = 'https://bytes.example.com/1';
    const fixture = createFixture({
      registry: {
        ...inner,
        getBlob: async (repository, digest, options, call) => {
          if (!options.redirectOk) return inner.getBlob(repository, digest, options, call);
          const { value: descriptor, served } = await inner.resolveBlob(repository, digest, call);
          return { served, value: { kind: 'redirect', descriptor, url, expiresAtMs: 0 } };
        },
      },
    });
    const digest = await pushBlob(fixture, 'app', TEXT);
    const response = await fixture.send('GET', `/v2/app/blobs/${digest}`);
    expect(response.status).toBe(307);
    expect(response.headers.get('location')).toBe(url);
  });

  test('a blob of another repository is unknown', async () => {
    const fixture = createFixture();
    const digest = await pushBlob(fixture, 'one', TEXT);
    await pushBlob(fixture, 'two', 'something else');
    expect(await codesOf(await fixture.send('GET', `/v2/two/blobs/${digest}`))).toEqual(['BLOB_UNKNOWN']);
    expect((await fixture.send('HEAD', `/v2/two/blobs/${digest}`)).status).toBe(404);
  });

  test('delete', async () => {
    const fixture = createFixture();
    const digest = await pushBlob(fixture, 'app', TEXT);
    expect((await fixture.send('DELETE', `/v2/app/blobs/${digest}`)).status).toBe(202);
    expect((await fixture.send('HEAD', `/v2/app/blobs/${digest}`)).status).toBe(404);
    expect((await fixture.send('DELETE', `/v2/app/blobs/${digestOf('never')}`)).status).toBe(404);
  });
});
