import { afterEach, describe, expect, test } from 'bun:test';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MediaType } from '#core/oci';
import { systemClock } from '#core/std';
import { certificateBundle, systemCertificates } from './certificates.ts';
import { CALL, clientOf, failureOf, REPOSITORY, V1 } from './client.fake.ts';
import { type ClientOptions, createClient } from './client.ts';
import { EXPIRED_CERT, ODD_CA, ODD_KEY, OTHER_NAME_CERT, TEST_CA, TEST_CERT, TEST_KEY } from './tls.fake.ts';
import { type FakeUpstream, reply, startUpstream } from './upstream.fake.ts';

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function started(): Promise<FakeUpstream> {
  const fake = await startUpstream();
  stops.push(fake.stop);
  fake.addImage('v1');
  return fake;
}

const noFile = async (path: string): Promise<string> =>
  Promise.reject(Object.assign(new Error(`no ${path}`), { code: 'ENOENT' }));

describe('certificates', () => {
  function secureServer(tls = { cert: TEST_CERT, key: TEST_KEY }) {
    const server = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      tls,
      fetch: () => new Response('{}', { headers: { 'content-type': 'application/json' } }),
    });
    stops.push(() => server.stop(true));
    return `https://127.0.0.1:${server.port}`;
  }

  test('a private authority is trusted beside the public ones', async () => {
    const fake = await started();
    const ca = await certificateBundle({
      readFile: async (path) => (path === '/ca.pem' ? TEST_CA : noFile(path)),
      files: ['/ca.pem'],
    });
    expect(ca.match(/BEGIN CERTIFICATE/g)?.length).toBeGreaterThan(50);
    await clientOf(fake, { insecure: false, url: secureServer(), ca }).ping(CALL);
  });

  test('an unknown authority is refused, with what to do, in one try', async () => {
    const fake = await started();
    const client = clientOf(fake, { insecure: false, url: secureServer() });
    const failure = await failureOf(client.ping(CALL));
    expect(failure.code).toBe('UPSTREAM_UNAVAILABLE');
    expect(failure.hint).toContain('.ca');
    expect(client.waits).toEqual([]);
  });

  const odd: { name: string; cert: string; why: string; hint: string }[] = [
    { name: 'has expired', cert: EXPIRED_CERT, why: 'its certificate has expired', hint: 'renew it' },
    { name: 'is for another name', cert: OTHER_NAME_CERT, why: 'for another name', hint: 'DNS leads 127.0.0.1' },
  ];
  for (const { name, cert, why, hint } of odd) {
    test(`one that ${name} is refused in one try, in words of its own`, async () => {
      const fake = await started();
      const client = clientOf(fake, { insecure: false, url: secureServer({ cert, key: ODD_KEY }), ca: ODD_CA });
      const failure = await failureOf(client.ping(CALL));
      expect(failure.code).toBe('UPSTREAM_UNAVAILABLE');
      expect(failure.why).toContain(why);
      expect(failure.hint).toContain(hint);
      expect(failure.hint).not.toContain('.ca');
      expect(client.waits).toEqual([]);
    });
  }

  test('a server that speaks plain HTTP where TLS is expected', async () => {
    const fake = await started();
    const failure = await failureOf(clientOf(fake, { url: fake.url.replace('http:', 'https:') }).ping(CALL));
    expect(failure).toMatchObject({ code: 'UPSTREAM_UNAVAILABLE', why: expect.stringContaining('does not speak TLS') });
    expect(failure.hint).toContain('insecure');
  });

  test('a name that the DNS does not know', async () => {
    const fake = await started();
    const failing = async () => Promise.reject(Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' }));
    const failure = await failureOf(clientOf(fake, { url: 'https://nope.invalid', fetch: failing }).ping(CALL));
    expect(failure).toMatchObject({
      code: 'UPSTREAM_UNAVAILABLE',
      why: expect.stringContaining('not known to the DNS'),
    });
    expect(failure.hint).toContain('nope.invalid');
  });

  test('the system’s bundle is found where systems keep it', async () => {
    const readFile = async (path: string) => (path.startsWith('/etc/pki') ? 'PEM' : noFile(path));
    expect(await systemCertificates({ readFile })).toBe('PEM');
    expect(await systemCertificates({ readFile: noFile })).toBe('');
  });

  test('a private file that holds no certificate is named', async () => {
    const failure = await failureOf(certificateBundle({ readFile: async () => 'x', files: ['/ca.pem'] }));
    expect(failure).toMatchObject({ code: 'CERTIFICATES_UNREADABLE' });
    expect(failure.message).toContain('/ca.pem');
  });
});

describe('proxies', () => {
  /** A name that no resolver and no NO_PROXY of a test machine knows. */
  const FAR = 'http://registry.entrepot.invalid';

  async function proxyThat(answer: (url: string) => [number, string]) {
    const seen: string[] = [];
    const server = createServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      const [status, body] = answer(request.url ?? '');
      reply(response, status, { 'content-type': MediaType.ociManifest }, body);
    });
    server.on('connect', (request, socket) => {
      seen.push(`CONNECT ${request.url}`);
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    stops.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return { seen, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  }

  test('takes the requests', async () => {
    const fake = await started();
    const proxy = await proxyThat(() => [200, '{}']);
    await clientOf(fake, { url: FAR, proxy: { url: proxy.url } }).ping(CALL);
    expect(proxy.seen).toEqual([`GET ${FAR}/v2/`]);
  });

  test('that wants a password is PROXY_FAILED, not UNAUTHORIZED', async () => {
    const fake = await started();
    const proxy = await proxyThat(() => [407, '']);
    const failure = await failureOf(clientOf(fake, { url: FAR, proxy: { url: proxy.url } }).ping(CALL));
    expect(failure.code).toBe('PROXY_FAILED');
    expect(failure.why).toContain('407');
    expect(failure.hint).toContain('proxyUrl');
  });

  test('that refuses a tunnel is PROXY_FAILED', async () => {
    const fake = await started();
    const proxy = await proxyThat(() => [200, '']);
    const url = FAR.replace('http:', 'https:');
    const failure = await failureOf(clientOf(fake, { url, proxy: { url: proxy.url } }).ping(CALL));
    expect(failure.code).toBe('PROXY_FAILED');
    expect(proxy.seen[0]).toStartWith('CONNECT ');
  });

  test('that is not there is PROXY_FAILED, without its password', async () => {
    const fake = await started();
    const proxy = { url: 'http://user:pr0xypw@127.0.0.1:1' };
    const failure = await failureOf(clientOf(fake, { url: FAR, proxy, retry: { attempts: 1 } }).ping(CALL));
    expect(failure.code).toBe('PROXY_FAILED');
    expect(failure.message).toContain('127.0.0.1:1');
    expect(Bun.inspect(failure)).not.toContain('pr0xypw');
  });
});

describe('addresses', () => {
  const cases: { name: string; options: Partial<ClientOptions>; expected: string }[] = [
    { name: 'Docker Hub', options: { host: 'docker.io' }, expected: 'https://registry-1.docker.io/v2/' },
    { name: 'by the name', options: { host: 'quay.io' }, expected: 'https://quay.io/v2/' },
    { name: 'plain', options: { host: 'r.local:5000', insecure: true }, expected: 'http://r.local:5000/v2/' },
    {
      name: 'elsewhere',
      options: { host: 'mirror.test', url: 'http://127.0.0.1:7000' },
      expected: 'http://127.0.0.1:7000/v2/',
    },
  ];
  for (const { name, options, expected } of cases) {
    test(name, async () => {
      const asked: string[] = [];
      const client = createClient({
        host: 'x',
        clock: systemClock(),
        random: () => 0,
        fetch: async (url) => {
          asked.push(url);
          return new Response('{}');
        },
        ...options,
      });
      await client.ping(CALL);
      expect(asked).toEqual([expected]);
    });
  }
});

describe('connections', () => {
  test('are kept: many requests take few', async () => {
    const fake = await started();
    const ports = new Set<number | undefined>();
    fake.on(/./, ({ request }) => {
      ports.add(request.socket.remotePort);
      return false;
    });
    const client = clientOf(fake);
    for (let index = 0; index < 20; index++) {
      await client.getManifest(REPOSITORY, V1, CALL);
      await failureOf(client.getManifest(REPOSITORY, 'nope' as typeof V1, CALL));
    }
    expect(ports.size).toBeLessThan(4);
  });
});
