import { describe, expect, test } from 'bun:test';
import { Bounds, digestOf, MediaType, RegistryError } from '#core/oci';
import { memory } from '#core/registry';
import { codesOf, createFixture, pushManifest } from './fixture.ts';

describe('manifests', () => {
  test('a push by tag answers where it is, and both GET and HEAD give it back', async () => {
    const fixture = createFixture();
    const { digest, text, response } = await pushManifest(fixture, { repository: 'team/app', reference: 'v1' });
    expect(response.status).toBe(201);
    expect(response.headers.get('location')).toBe(`/v2/team/app/manifests/${digest}`);
    expect(response.headers.get('docker-content-digest')).toBe(digest);
    const got = await fixture.send('GET', '/v2/team/app/manifests/v1');
    expect(await got.text()).toBe(text);
    expect(got.headers.get('content-type')).toBe(MediaType.ociManifest);
    const head = await fixture.send('HEAD', `/v2/team/app/manifests/${digest}`);
    expect(head.status).toBe(200);
    expect(head.headers.get('content-length')).toBe(String(text.length));
    expect(head.headers.get('docker-content-digest')).toBe(digest);
    expect(await head.text()).toBe('');
  });

  const conditions = [
    { name: 'the same digest', header: (etag: string) => etag, status: 304 },
    { name: 'one of a list', header: (etag: string) => `"other", W/${etag}`, status: 304 },
    { name: 'a star', header: () => '*', status: 304 },
    { name: 'another digest', header: () => '"sha256:0"', status: 200 },
  ];
  test.each(conditions)('If-None-Match with $name answers $status', async ({ header, status }) => {
    const fixture = createFixture();
    const { digest } = await pushManifest(fixture, { repository: 'app', reference: 'v1' });
    const headers = { 'if-none-match': header(`"${digest}"`) };
    for (const method of ['GET', 'HEAD']) {
      const response = await fixture.send(method, '/v2/app/manifests/v1', { headers });
      expect(response.status).toBe(status);
      expect(response.headers.get('etag')).toBe(`"${digest}"`);
    }
  });

  test('an Accept without the stored type still gets the stored bytes', async () => {
    const fixture = createFixture();
    await pushManifest(fixture, { repository: 'app', reference: 'v1' });
    const response = await fixture.send('GET', '/v2/app/manifests/v1', {
      headers: { accept: MediaType.dockerManifest },
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(MediaType.ociManifest);
  });

  test('tags given with a digest are set together and named in OCI-Tag', async () => {
    const fixture = createFixture();
    const target = { repository: 'app', query: '?tag=1&tag=1.2&tag=latest' };
    const { digest, response } = await pushManifest(fixture, target);
    expect(response.headers.get('oci-tag')).toBe('1, 1.2, latest');
    const head = await fixture.send('HEAD', '/v2/app/manifests/1.2');
    expect(head.headers.get('docker-content-digest')).toBe(digest);
  });

  test('a subject is confirmed', async () => {
    const fixture = createFixture();
    const subject = digestOf('somewhere');
    const { response } = await pushManifest(
      fixture,
      { repository: 'app', reference: 'sig' },
      { subject: { mediaType: MediaType.ociManifest, digest: subject, size: 9 } },
    );
    expect(response.headers.get('oci-subject')).toBe(subject);
  });

  const refused = [
    { name: 'not JSON', body: 'hello', status: 400, code: 'MANIFEST_INVALID' },
    { name: 'truncated', body: '{"schemaVersion":2,', status: 400, code: 'MANIFEST_INVALID' },
    { name: 'empty', body: '', status: 400, code: 'MANIFEST_INVALID' },
    { name: 'nested too deep', body: `${'['.repeat(40)}${']'.repeat(40)}`, status: 400, code: 'MANIFEST_INVALID' },
    {
      name: 'an image and an index at once',
      body: '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"layers":[]}',
      status: 400,
      code: 'MANIFEST_INVALID',
    },
    { name: 'too large', body: ' '.repeat(Bounds.manifestBytes + 1), status: 413, code: 'MANIFEST_TOO_LARGE' },
  ];
  test.each(refused)('a body that is $name is refused and leaves nothing', async ({ body, status, code }) => {
    const fixture = createFixture();
    await pushManifest(fixture, { repository: 'app', reference: 'good' });
    const response = await fixture.send('PUT', '/v2/app/manifests/bad', { body });
    expect(response.status).toBe(status);
    expect(await codesOf(response)).toEqual([code]);
    expect((await fixture.send('GET', '/v2/app/manifests/bad')).status).toBe(404);
    expect((await fixture.send('GET', '/v2/app/manifests/good')).status).toBe(200);
  });

  test('a body that grows past the bound is not read on', async () => {
    const fixture = createFixture();
    let sentBytes = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sentBytes += 65_536;
        controller.enqueue(new Uint8Array(65_536));
      },
    });
    const response = await fixture.send('PUT', '/v2/app/manifests/big', { body: endless });
    expect(response.status).toBe(413);
    expect(sentBytes).toBeLessThan(Bounds.manifestBytes * 2);
  });

  test('content that is not of the digest it is put under is DIGEST_INVALID', async () => {
    const fixture = createFixture();
    const { text } = await pushManifest(fixture, { repository: 'app', reference: 'v1' });
    const other = digestOf('other');
    const response = await fixture.send('PUT', `/v2/app/manifests/${other}`, { body: text });
    expect(await codesOf(response)).toEqual(['DIGEST_INVALID']);
    expect((await fixture.send('GET', `/v2/app/manifests/${other}`)).status).toBe(404);
  });

  test('delete takes a tag, and then the manifest', async () => {
    const fixture = createFixture();
    const { digest } = await pushManifest(fixture, { repository: 'app', reference: 'v1' });
    expect((await fixture.send('DELETE', '/v2/app/manifests/v1')).status).toBe(202);
    expect((await fixture.send('GET', '/v2/app/manifests/v1')).status).toBe(404);
    expect((await fixture.send('GET', `/v2/app/manifests/${digest}`)).status).toBe(200);
    expect((await fixture.send('DELETE', `/v2/app/manifests/${digest}`)).status).toBe(202);
    expect((await fixture.send('GET', `/v2/app/manifests/${digest}`)).status).toBe(404);
  });

  test('what a registry tells of its answer becomes headers, warnings within their bound', async () => {
    const inner = memory();
    const warnings = ['say "hi"', 'ümlaut', ...new Array(40).fill('x'.repeat(200))];
    const fixture = createFixture({
      registry: {
        ...inner,
        getManifest: async (...args) => ({
          ...(await inner.getManifest(...args)),
          served: { by: 'hub', verdict: 'hit', ageSeconds: 12.7, warnings },
        }),
      },
    });
    await pushManifest(fixture, { repository: 'app', reference: 'v1' });
    const response = await fixture.send('GET', '/v2/app/manifests/v1');
    const warning = response.headers.get('warning') ?? '';
    expect(warning.startsWith('299 - "say \\"hi\\"", 299 - "?mlaut", 299 - "xxx')).toBe(true);
    expect(warning.length).toBeLessThan(4300);
    expect(response.headers.get('age')).toBe('12');
    expect(response.headers.get('x-entrepot-cache')).toBe('hit');
    // Shared headers must not keep what was one request's.
    expect((await fixture.send('HEAD', '/v2/app/manifests/v1')).headers.get('warning')).toBeNull();
    expect(fixture.events.at(-2)).toMatchObject({ by: 'hub', verdict: 'hit' });
  });
});

describe('errors', () => {
  const cases = [
    {
      name: 'too many requests, with whole seconds to wait',
      error: new RegistryError('TOOMANYREQUESTS', 'slow down', { retryAfterMs: 1200 }),
      status: 429,
      header: ['retry-after', '2'],
    },
    {
      name: 'too many requests, without a time',
      error: new RegistryError('TOOMANYREQUESTS', 'slow down'),
      status: 429,
      header: ['retry-after', '1'],
    },
    {
      name: 'unsupported, with the methods that are',
      error: new RegistryError('UNSUPPORTED', 'read only'),
      status: 405,
      header: ['allow', 'GET, HEAD'],
    },
    { name: 'a fault of ours', error: new Error('secret path'), status: 500, header: ['x-request-id', ''] },
  ];
  test.each(cases)('$name', async ({ error, status, header: [key = '', value = ''] }) => {
    const inner = memory();
    const fixture = createFixture({
      registry: {
        ...inner,
        getManifest: async () => {
          throw error;
        },
      },
    });
    const response = await fixture.send('GET', '/v2/app/manifests/v1');
    expect(response.status).toBe(status);
    expect(response.headers.get(key)).toContain(value);
    const body = await response.text();
    expect(body).not.toContain('secret path');
    expect(fixture.errors.length).toBe(status === 500 ? 1 : 0);
    if (status === 500) {
      expect(fixture.errors[0]?.fields).toMatchObject({ cause: 'secret path' });
      expect(body).toContain(response.headers.get('x-request-id') ?? 'no id');
    }
  });
});
