import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { parseDigest } from '#core/oci';
import { blobBytes, CALL, clientOf, failureOf, inPieces, REPOSITORY, V1 } from './client.fake.ts';
import type { ClientOptions } from './client.ts';
import { fixedCredentials } from './credential.ts';
import { TEST_CA, TEST_CERT, TEST_KEY } from './tls.fake.ts';
import { type FakeUpstream, reply, startUpstream } from './upstream.fake.ts';

/** Two servers: the registry, and a place that it has no business to send us to. */
let fake: FakeUpstream;
let elsewhere: FakeUpstream;
beforeEach(async () => {
  fake = await startUpstream();
  elsewhere = await startUpstream();
});
afterEach(async () => {
  await fake.stop();
  await elsewhere.stop();
});

const withJoe = (options: Partial<ClientOptions> = {}) =>
  clientOf(fake, {
    credentials: fixedCredentials({ [fake.host]: { username: 'joe', password: 's3:cret' } }),
    ...options,
  });

function redirect(pattern: RegExp, location: (path: string) => string, status = 307) {
  fake.on(pattern, ({ response, path }) => {
    reply(response, status, { location: location(path) });
    return true;
  });
}

describe('token realms (CVE-2026-33540)', () => {
  const realms: { name: string; realm: () => string }[] = [
    { name: 'another port of the same address', realm: () => `${elsewhere.url}/token` },
    { name: 'another site', realm: () => 'http://evil.example/token' },
    { name: 'the metadata service', realm: () => 'http://169.254.169.254/latest/meta-data' },
    { name: 'the metadata service in one number', realm: () => 'http://2852039166/' },
    { name: 'the metadata service in IPv6', realm: () => 'http://[::ffff:169.254.169.254]/' },
    { name: 'credentials in the URL', realm: () => `http://a:b@${fake.host}/token` },
    { name: 'a file', realm: () => 'file:///etc/passwd' },
    { name: 'no URL', realm: () => 'token' },
  ];
  for (const { name, realm } of realms) {
    test(`refused: ${name}`, async () => {
      fake.settings.auth = 'bearer';
      fake.settings.realm = realm();
      const failure = await failureOf(withJoe().resolveManifest(REPOSITORY, V1, CALL));
      expect(failure.code).toBe('UPSTREAM_INVALID');
      expect(failure.hint).toContain('trustedHosts');
      expect(elsewhere.log).toEqual([]);
      expect(fake.log).toHaveLength(1);
    });
  }

  test('a realm that is configured as trusted is taken', async () => {
    fake.settings.auth = 'bearer';
    fake.settings.realm = `${elsewhere.url}/token`;
    fake.addImage('v1');
    await withJoe({ trustedHosts: [elsewhere.host] }).resolveManifest(REPOSITORY, V1, CALL);
    expect(elsewhere.log).toHaveLength(1);
  });
});

describe('redirects', () => {
  test('are followed without the registry’s credentials', async () => {
    const { layerDigest, layer } = fake.addImage('v1');
    elsewhere.blobs.set(layerDigest, layer);
    fake.settings.auth = 'basic';
    fake.on(/blobs/, ({ request, response, path }) => {
      if (!request.headers.authorization) return false;
      reply(response, 307, { location: `${elsewhere.url}${path}?signature=secret` });
      return true;
    });
    expect(await blobBytes(withJoe(), layerDigest)).toEqual(layer);
    expect(elsewhere.authorizations).toEqual([undefined]);
  });

  test('within the registry keep them', async () => {
    const { digest, manifest } = fake.addImage('v1');
    fake.settings.auth = 'basic';
    redirect(/manifests\/v1$/, (path) => path.replace('v1', digest));
    expect((await withJoe().getManifest(REPOSITORY, V1, CALL)).value.bytes).toEqual(manifest);
  });

  test('a signed address never stands in an error', async () => {
    const { layerDigest } = fake.addImage('v1');
    redirect(/blobs/, (path) => `${elsewhere.url}${path}?signature=secret`);
    const failure = await failureOf(blobBytes(withJoe(), layerDigest));
    expect(failure.code).toBe('BLOB_UNKNOWN');
    expect(Bun.inspect(failure)).not.toContain('secret');
  });

  test('in a circle end', async () => {
    redirect(/manifests/, (path) => path);
    const failure = await failureOf(withJoe().getManifest(REPOSITORY, V1, CALL));
    expect(failure.code).toBe('UPSTREAM_INVALID');
    expect(fake.log.length).toBeLessThan(10);
  });

  for (const target of ['http://169.254.169.254/latest', 'http://[fe80::1]/', 'ftp://example.com/x', 'http://[']) {
    test(`to ${target} are refused`, async () => {
      redirect(/manifests/, () => target);
      expect((await failureOf(withJoe().getManifest(REPOSITORY, V1, CALL))).code).toBe('UPSTREAM_INVALID');
      expect(fake.log).toHaveLength(1);
    });
  }

  test('by a name that leads inwards are refused', async () => {
    redirect(/manifests/, () => 'http://rebound.example/x');
    const lookup = async (name: string) => (name === 'rebound.example' ? ['203.0.113.1', '169.254.169.254'] : []);
    const failure = await failureOf(withJoe({ lookup }).getManifest(REPOSITORY, V1, CALL));
    expect(failure.why).toContain('link-local');
  });

  test('of a write are refused', async () => {
    fake.on(/^PUT/, ({ response }) => {
      reply(response, 307, { location: `${elsewhere.url}/x` });
      return true;
    });
    const { layerDigest, layer } = elsewhere.addImage('v1');
    const failure = await failureOf(withJoe().putBlob(REPOSITORY, { digest: parseDigest(layerDigest) }, layer, CALL));
    expect(failure.code).toBe('UPSTREAM_INVALID');
    expect(elsewhere.log).toEqual([]);
  });
});

describe('https', () => {
  const secured: { name: string; answer: (plain: string) => Response }[] = [
    {
      name: 'a redirect',
      answer: (plain) => new Response(null, { status: 307, headers: { location: `${plain}/x` } }),
    },
    {
      name: 'a token realm',
      answer: (plain) =>
        new Response(null, { status: 401, headers: { 'www-authenticate': `Bearer realm="${plain}/token"` } }),
    },
    {
      name: 'an upload location',
      answer: (plain) => new Response(null, { status: 202, headers: { location: `${plain}/x` } }),
    },
  ];
  for (const { name, answer } of secured) {
    test(`is never left by ${name}`, async () => {
      const server = Bun.serve({
        hostname: '127.0.0.1',
        port: 0,
        tls: { cert: TEST_CERT, key: TEST_KEY },
        fetch: () => answer(elsewhere.url),
      });
      try {
        const client = withJoe({ url: `https://127.0.0.1:${server.port}`, insecure: false, ca: TEST_CA });
        const using =
          name === 'an upload location'
            ? client.startUpload(REPOSITORY, {}, CALL)
            : client.getManifest(REPOSITORY, V1, CALL);
        const failure = await failureOf(using);
        expect(failure.code).toBe('UPSTREAM_INVALID');
        expect(failure.why).toContain('plain http');
        expect(elsewhere.log).toEqual([]);
      } finally {
        await server.stop(true);
      }
    });
  }
});

describe('upload locations (CVE-2026-50151)', () => {
  for (const target of ['http://169.254.169.254/x', 'file:///x', 'http://user:pw@127.0.0.1/x', 'http://[']) {
    test(`at ${target} are refused`, async () => {
      fake.on(/^POST/, ({ response }) => {
        reply(response, 202, { location: target });
        return true;
      });
      expect((await failureOf(withJoe().startUpload(REPOSITORY, {}, CALL))).code).toBe('UPSTREAM_INVALID');
    });
  }

  test('none at all is refused', async () => {
    fake.on(/^POST/, ({ response }) => {
      reply(response, 202, {});
      return true;
    });
    expect((await failureOf(withJoe().startUpload(REPOSITORY, {}, CALL))).code).toBe('UPSTREAM_INVALID');
  });

  test('at another host get the bytes and no credentials', async () => {
    fake.settings.auth = 'basic';
    const { layerDigest, layer } = fake.addImage('v1');
    fake.on(/^POST/, ({ request, response }) => {
      if (!request.headers.authorization) return false;
      reply(response, 202, { location: `${elsewhere.url}/put-here?signature=1` });
      return true;
    });
    elsewhere.on(/put-here/, ({ response }) => {
      reply(response, 201, {});
      return true;
    });
    await withJoe().putBlob(
      REPOSITORY,
      { digest: parseDigest(layerDigest), size: layer.byteLength },
      inPieces(layer, 5),
      CALL,
    );
    expect(elsewhere.authorizations).toEqual([undefined]);
  });

  test('chunks that would fill our memory are refused', async () => {
    fake.on(/^POST/, ({ response }) => {
      response.setHeader('oci-chunk-min-length', '99999999999');
      return false;
    });
    expect((await failureOf(withJoe().startUpload(REPOSITORY, {}, CALL))).code).toBe('UPSTREAM_INVALID');
  });
});

describe('secrets', () => {
  test('no credential of a failed exchange is in its error', async () => {
    fake.settings.auth = 'basic';
    fake.on(/manifests/, ({ request, response }) => {
      reply(response, request.headers.authorization ? 500 : 401, { 'www-authenticate': 'Basic realm="x"' });
      return true;
    });
    const facts: unknown[] = [];
    const client = withJoe({ observe: (fact) => facts.push(fact) });
    const text = Bun.inspect(await failureOf(client.getManifest(REPOSITORY, V1, CALL)), { depth: 10 });
    const basic = Buffer.from('joe:s3:cret').toString('base64');
    for (const place of [text, JSON.stringify(facts), JSON.stringify(client.state())]) {
      expect(place).not.toContain('s3:cret');
      expect(place).not.toContain(basic);
    }
  });
});
