import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { type Digest, digestOf, MediaType } from '#core/oci';
import { CALL, clientOf, failureOf, REPOSITORY, V1 } from './client.fake.ts';
import { type FakeUpstream, reply, startUpstream } from './upstream.fake.ts';

let fake: FakeUpstream;
beforeEach(async () => {
  fake = await startUpstream();
});
afterEach(() => fake.stop());

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
