import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expiredCertificate, selfSigned } from '../harness/certificate.ts';
import { shellIn, temporaryFolder } from './fixture.ts';

type Rung = { readonly step: string; readonly outcome: string; readonly seen: string; readonly fix?: string };
type Answer = { readonly items: readonly { readonly rungs: readonly Rung[] }[] };

const MANIFEST = JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json' });
const DAY_MS = 86_400_000;

/** A registry that knows one user, one image, and tells how many pulls are left. */
function answer(request: Request): Response {
  if (request.headers.get('authorization') !== `Basic ${btoa('joe:secret')}`) {
    return new Response('{}', { status: 401, headers: { 'www-authenticate': 'Basic realm="test"' } });
  }
  const { pathname } = new URL(request.url);
  if (pathname === '/v2/') return new Response('{}');
  if (pathname !== '/v2/app/manifests/1') return Response.json({ errors: [] }, { status: 404 });
  const limit = { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '7;w=21600' };
  const digest = `sha256:${new Bun.CryptoHasher('sha256').update(MANIFEST).digest('hex')}`;
  return new Response(MANIFEST, {
    headers: {
      'content-type': 'application/vnd.oci.image.manifest.v1+json',
      'docker-content-digest': digest,
      ...limit,
    },
  });
}

const serve = (tls: { cert: string; key: string }) =>
  Bun.serve({ hostname: '127.0.0.1', port: 0, tls, fetch: answer, development: false });

describe('entrepot upstream test', () => {
  const folder = temporaryFolder();
  const shell = shellIn(folder.path);
  const now = Date.now();
  const pair = selfSigned({ notBefore: new Date(now - DAY_MS), notAfter: new Date(now + DAY_MS) });
  const old = expiredCertificate();
  const good = serve(pair);
  const expired = serve(old);
  const host = `127.0.0.1:${good.port}`;
  beforeAll(() => {
    writeFileSync(join(folder.path, 'ca.pem'), `${pair.cert}${old.cert}`);
    writeFileSync(join(folder.path, 'secret'), 'secret\n');
    writeFileSync(join(folder.path, 'wrong'), 'wrong\n');
  });
  afterAll(async () => {
    await good.stop(true);
    await expired.stop(true);
    folder.remove();
  });

  const signedIn = (name: string, secret = 'secret') =>
    `"${name}": { ca: ca.pem, credentials: { username: joe, passwordFile: ${secret} } }`;

  async function probe(registries: string, target: string): Promise<{ code: number; rungs: readonly Rung[] }> {
    writeFileSync(join(folder.path, 'entrepot.yaml'), `version: 1\nregistries: { ${registries} }\n`);
    const { code, stdout } = await shell.run(`upstream test ${target} -o json`);
    return { code, rungs: (JSON.parse(stdout) as Answer).items[0]?.rungs ?? [] };
  }
  const failureOf = (rungs: readonly Rung[]) => rungs.find(({ outcome }) => outcome === 'failed');

  test('every step of a pull, in order', async () => {
    const { code, rungs } = await probe(signedIn(host), `${host}/app:1`);
    expect(code).toBe(0);
    expect(rungs.map(({ step, outcome }) => `${step} ${outcome}`)).toEqual([
      'dns ok',
      'tcp ok',
      'tls ok',
      'ping ok',
      'token ok',
      'scope ok',
      'quota ok',
    ]);
    expect(rungs.at(-1)?.seen).toContain('7 of 100');
  });
  test('as a person reads it', async () => {
    writeFileSync(join(folder.path, 'entrepot.yaml'), `version: 1\nregistries: { ${signedIn(host)} }\n`);
    const { stdout } = await shell.run(`upstream test ${host}/app:1`);
    expect(stdout).toStartWith(`${host} at https://${host}\nok      dns          127.0.0.1 is 127.0.0.1  `);
  });

  const failures = [
    { name: 'a port on which nothing listens', registries: '', target: '127.0.0.1:1', step: 'tcp', fix: 'port' },
    { name: 'a certificate of strangers', registries: '', target: `localhost:${good.port}`, step: 'tls', fix: '.ca' },
    {
      name: 'a certificate that is over',
      registries: signedIn(`127.0.0.1:${expired.port}`),
      target: `127.0.0.1:${expired.port}`,
      step: 'tls',
      fix: 'renew',
    },
    {
      name: 'a wrong password',
      registries: signedIn(host, 'wrong'),
      target: host,
      step: 'token',
      fix: 'credentials',
    },
    {
      name: 'an image that is not there',
      registries: signedIn(host),
      target: `${host}/nope:1`,
      step: 'scope',
      fix: 'check nope',
    },
  ];
  for (const { name, registries, target, step, fix } of failures) {
    test(`${name}: the step, what to do, and exit code 1`, async () => {
      const plain = registries === '' ? `"${target}": { insecure: false }` : registries;
      const { code, rungs } = await probe(plain, target);
      expect([code, failureOf(rungs)]).toEqual([
        1,
        expect.objectContaining({ step, fix: expect.stringContaining(fix) }),
      ]);
    });
  }

  test('what is no host is a usage error', async () => {
    const { code, stderr } = await shell.run('upstream test hub');
    expect([code, stderr]).toEqual([2, expect.stringContaining('"hub" begins with no host')]);
  });

  const misnamed = [
    {
      name: 'an image as it is named here',
      target: 'hub/library/redis:7',
      hint: 'hub is a namespace: entrepot upstream test docker.io/library/redis:7',
    },
    { name: 'a URL', target: 'https://quay.io/v2', hint: 'write quay.io/v2; registries."quay.io".url' },
  ];
  for (const { name, target, hint } of misnamed) {
    test(`${name} is answered with what to write`, async () => {
      writeFileSync(
        join(folder.path, 'entrepot.yaml'),
        'version: 1\nnamespaces: { hub: { type: proxy, upstream: docker.io } }\n',
      );
      const { code, stderr } = await shell.run(`upstream test ${target}`);
      expect([code, stderr]).toEqual([2, expect.stringContaining(hint)]);
    });
  }
});
