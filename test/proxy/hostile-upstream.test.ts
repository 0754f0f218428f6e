import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { gzipSync } from 'node:zlib';
import { digestOf, MediaType, parseManifest } from '#core/oci';
import { reachOfAddress } from '../../src/registries/client/trust.ts';
import { type FakeUpstream, reply, startUpstream } from '../../src/registries/client/upstream.fake.ts';
import { blobOf, governed, manifestOf, refusalOf } from './hostile.ts';

/*
 * An upstream that means harm, class by class. What a client refuses is tested beside the client; here is what a
 * proxy's governed reader adds, and what no other test looks at. After each attack the next request works, no
 * connection is held, and a lie is no outage: the breaker stays closed.
 *
 * | class                                     | tested in                                                          |
 * |-------------------------------------------|--------------------------------------------------------------------|
 * | realm: foreign host, port, credentials    | src/registries/client/hostile.test.ts "token realms"               |
 * | realm: metadata, loopback, private        | there and here "inwards"                                           |
 * | realm, Location, redirect: https → http   | src/registries/client/hostile.test.ts "https"                      |
 * | realm beyond all bounds                   | here "challenges"                                                  |
 * | redirects: credentials dropped, circles   | src/registries/client/hostile.test.ts "redirects", here            |
 * | redirects inwards                         | there and here "inwards"                                           |
 * | upload Location                           | src/registries/client/hostile.test.ts (a proxy never writes)       |
 * | Link to another host, circles             | src/registries/client/list.test.ts                                 |
 * | foreign layer `urls`                      | here "foreign layers"                                              |
 * | digest, media type, schema 1              | src/registries/client/manifest.test.ts "a lie is"                  |
 * | blob: wrong bytes, wrong range, cuts      | src/registries/client/blob.test.ts, test/proxy/cut.test.ts         |
 * | lengths that contradict                   | test/proxy/hostile-bodies.test.ts "lengths"                         |
 * | endless bodies                            | test/proxy/hostile-bodies.test.ts "endless bodies"                  |
 * | packed bodies                             | test/proxy/hostile-bodies.test.ts "packed bodies"                   |
 * | header floods, garbage                    | test/proxy/hostile-bodies.test.ts "headers"                         |
 * | tokens that break headers                 | here "challenges"                                                  |
 * | names that change their address           | here "inwards", and what cannot be had below                       |
 * | Retry-After and windows of years          | src/registries/proxy/upstream/quota.test.ts                        |
 *
 * DNS rebinding: every address that an upstream names is resolved and judged before each request, redirects among them.
 * `fetch` resolves once more when it connects, and Bun lets nobody name the address to connect to and keep the name
 * for TLS. A name that answers differently within these milliseconds gets a request without credentials to an inward
 * address; over https, the certificate must be for the name. Where that matters, `proxyUrl` decides what is reached.
 */

let fake: FakeUpstream;
let elsewhere: FakeUpstream;
beforeEach(async () => {
  fake = await startUpstream();
  elsewhere = await startUpstream();
  fake.addImage('v1');
});
afterEach(async () => {
  await fake.stop();
  await elsewhere.stop();
});

describe('inwards, from a registry that is outside', () => {
  const OUTSIDE = 'registry.example';
  const lookup = async (name: string) => (name === 'inner.example' ? ['10.1.2.3'] : ['203.0.113.9']);
  const places = [
    'http://127.0.0.1/x',
    'http://127.1/x',
    'http://0.0.0.0/x',
    'http://localhost/x',
    'http://a.localhost/x',
    'http://localhost./x',
    'http://[::7f00:1]/x',
    'http://[::ffff:0:a00:1]/x',
    'http://[64:ff9b:1::a00:1]/x',
    'http://[2002:a00:1::1]/x',
    'http://[2002:a9fe:a9fe::]/x',
    'http://192.0.0.192/latest/meta-data',
    'http://[::1]/x',
    'http://[::]/x',
    'http://[::ffff:10.0.0.1]/x',
    'http://[64:ff9b::7f00:1]/x',
    'http://10.0.0.1/x',
    'http://172.16.9.9/x',
    'http://192.168.1.1/x',
    'http://100.100.100.200/latest/meta-data',
    'http://169.254.169.254/latest/meta-data',
    'http://2852039166/latest/meta-data',
    'http://0xa9fea9fe/latest/meta-data',
    'http://[fd00:ec2::254]/latest/meta-data',
    'http://[fe80::1]/x',
    'http://inner.example/x',
  ];
  test('addresses of the open net are not', () => {
    const open = [
      '203.0.113.9',
      '198.51.100.1',
      '192.0.2.1',
      '8.8.8.8',
      '2001:db8::1',
      '2606:4700::6810:84e5',
      '2002:808:808::1',
    ];
    expect(open.filter((address) => reachOfAddress(address) !== 'public')).toEqual([]);
  });

  const ways: { name: string; answer: (place: string) => Response }[] = [
    {
      name: 'realm',
      answer: (place) =>
        new Response(null, { status: 401, headers: { 'www-authenticate': `Bearer realm="${place}",service="x"` } }),
    },
    { name: 'redirect', answer: (place) => new Response(null, { status: 307, headers: { location: place } }) },
  ];
  for (const { name, answer } of ways) {
    for (const place of places) {
      test(`a ${name} to ${place} is not followed`, async () => {
        const asked: string[] = [];
        const upstream = governed(OUTSIDE, {
          lookup,
          fetch: async (url) => {
            asked.push(url);
            return answer(place);
          },
        });
        expect((await refusalOf(upstream, manifestOf(upstream))).code).toBe('UPSTREAM_INVALID');
        expect(asked).toEqual([`http://${OUTSIDE}/v2/demo/app/manifests/v1`]);
      });
    }
  }

  test('a name is resolved anew for each redirect: that it was outside a moment ago does not count', async () => {
    const asked: string[] = [];
    const answers = [['203.0.113.1'], ['169.254.169.254']];
    const upstream = governed(OUTSIDE, {
      lookup: async (name) => (name === 'cdn.example' ? (answers.shift() ?? []) : ['203.0.113.9']),
      fetch: async (url) => {
        asked.push(url);
        return new Response(null, { status: 307, headers: { location: `http://cdn.example/${asked.length}` } });
      },
    });
    const refusal = await refusalOf(upstream, manifestOf(upstream));
    expect(refusal).toMatchObject({ code: 'UPSTREAM_INVALID', why: expect.stringContaining('link-local') });
    expect(asked.slice(1)).toEqual(['http://cdn.example/1']);
  });

  const strangers: { name: string; location: string }[] = [
    { name: 'another host', location: 'http://cdn.example/x' },
    { name: 'another host, without its scheme', location: '//cdn.example/x' },
    { name: 'a host below ours', location: 'http://cdn.registry.example/x' },
    { name: 'another port', location: 'http://registry.example:8080/x' },
  ];
  for (const { name, location } of strangers) {
    test(`credentials do not follow a redirect to ${name}`, async () => {
      const seen: (string | null)[] = [];
      const upstream = governed(OUTSIDE, {
        lookup,
        quirks: { preemptive: 'basic' },
        fetch: async (url, init) => {
          seen.push(new Headers(init.headers).get('authorization'));
          if (url.endsWith('/x')) return new Response(null, { status: 404 });
          return new Response(null, { status: 307, headers: { location } });
        },
      });
      expect((await refusalOf(upstream, manifestOf(upstream))).code).toBe('MANIFEST_UNKNOWN');
      expect(seen).toEqual([expect.stringMatching(/^Basic /), null]);
    });
  }

  test('a stranger that asks for credentials after a redirect gets none', async () => {
    const asked: string[] = [];
    const upstream = governed(OUTSIDE, {
      lookup,
      fetch: async (url) => {
        asked.push(url);
        if (url.startsWith(`http://${OUTSIDE}`)) {
          return new Response(null, { status: 307, headers: { location: 'http://cdn.example/x' } });
        }
        const challenge = `Bearer realm="http://auth.${OUTSIDE}/token"`;
        return new Response(null, { status: 401, headers: { 'www-authenticate': challenge } });
      },
    });
    expect((await refusalOf(upstream, manifestOf(upstream))).code).toBe('UNAUTHORIZED');
    expect(asked).toHaveLength(2);
  });
});

describe('challenges', () => {
  const challenges: { name: string; header: string }[] = [
    { name: 'longer than any', header: `Bearer realm="http://x/${'a'.repeat(20_000)}"` },
    { name: 'of a thousand schemes', header: 'Odd x="y", '.repeat(700) },
    { name: 'of nothing but quotes', header: `Bearer realm=${'"'.repeat(5000)}` },
  ];
  for (const { name, header } of challenges) {
    test(`one ${name} is no challenge`, async () => {
      fake.on(/manifests/, ({ response }) => {
        reply(response, 401, { 'www-authenticate': header });
        return true;
      });
      const upstream = governed(fake.host);
      expect(['UNAUTHORIZED', 'UPSTREAM_INVALID']).toContain((await refusalOf(upstream, manifestOf(upstream))).code);
      expect(fake.log).toHaveLength(1);
    });
  }

  const tokens: { name: string; body: string | Uint8Array; headers?: Record<string, string> }[] = [
    { name: 'that ends the header', body: JSON.stringify({ token: 'a\r\nx-evil: 1' }) },
    { name: 'that is an object', body: '{"token":{"a":1}}' },
    { name: 'in a packed body', body: gzipSync('{"token":"abc"}'), headers: { 'content-encoding': 'gzip' } },
    { name: 'in a deep body', body: '['.repeat(200_000) },
  ];
  for (const { name, body, headers } of tokens) {
    test(`a token ${name} is none`, async () => {
      fake.settings.auth = 'bearer';
      fake.on(/^GET \/token/, ({ response }) => {
        reply(response, 200, { 'content-type': 'application/json', ...headers }, body);
        return true;
      });
      const upstream = governed(fake.host);
      expect(await refusalOf(upstream, manifestOf(upstream))).toMatchObject({
        code: 'UPSTREAM_INVALID',
        message: expect.stringContaining('without a token'),
      });
      expect(fake.log).toHaveLength(2);
    });
  }
});

describe('foreign layers', () => {
  test('are asked of the registry that named them, never where it says', async () => {
    const layer = new TextEncoder().encode('kept elsewhere');
    const digest = digestOf(layer);
    elsewhere.blobs.set(digest, layer);
    const [stored] = [...fake.manifests.values()];
    const image = JSON.parse(new TextDecoder().decode(stored?.bytes));
    const url = `${elsewhere.url}/v2/demo/app/blobs/${digest}`;
    for (const mediaType of [MediaType.ociLayer, 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip']) {
      image.layers.push({ mediaType, digest, size: layer.byteLength, urls: [url, 'http://169.254.169.254/'] });
    }
    const bytes = new TextEncoder().encode(JSON.stringify(image));
    fake.manifests.set('v1', { bytes, mediaType: MediaType.ociManifest });
    const upstream = governed(fake.host);
    const { value } = await manifestOf(upstream);
    expect(value.bytes).toEqual(bytes);
    expect(parseManifest(value.bytes, MediaType.ociManifest).kind).toBe('image');
    expect((await refusalOf(upstream, blobOf(upstream, digest))).code).toBe('BLOB_UNKNOWN');
    expect(elsewhere.log).toEqual([]);
  });
});
