import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseRepository } from '#core/oci';
import { silentLog, systemClock } from '#core/std';
import { readConfig, requireConfig } from '#surface/config';
import { createClients } from './clients.ts';
import { systemCall } from './compose.ts';

const folder = mkdtempSync(join(tmpdir(), 'entrepot-clients-'));
/** Says whom it was asked by: the tag is the base64 of the credentials. */
const registry = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  fetch: (request) => {
    const authorization = request.headers.get('authorization');
    if (authorization === null) {
      return new Response(null, { status: 401, headers: { 'www-authenticate': 'Basic realm="test"' } });
    }
    const [, secret = ''] = authorization.split(' ');
    return Response.json({ name: 'app', tags: [secret.replaceAll('=', '')] });
  },
});
const host = `127.0.0.1:${registry.port}`;
const tagOf = (user: string, password: string) => btoa(`${user}:${password}`).replaceAll('=', '');
beforeAll(() => {
  writeFileSync(join(folder, 'secret'), 'from-file\n');
  writeFileSync(join(folder, 'auth.json'), JSON.stringify({ auths: { [host]: { auth: btoa('docker:stored') } } }));
});
afterAll(async () => {
  await registry.stop(true);
  rmSync(folder, { recursive: true });
});

type Fetch = typeof globalThis.fetch;

type Asked = { readonly name?: string; readonly of?: string; readonly fetch?: Fetch };

async function tagsSeen(yaml: string, env: Record<string, string>, asked: Asked = {}) {
  const { name = host, of = 'app', fetch = globalThis.fetch } = asked;
  const config = requireConfig(readConfig({ text: `version: 1\n${yaml}`, file: 'entrepot.yaml', folder }));
  const machine = { clock: systemClock(), cwd: folder, env, fetch, log: silentLog(), version: '1' };
  const client = await createClients(config, machine).get(name, 'source');
  return (await client.tags(parseRepository(of), { limit: 10 }, systemCall('test'))).value.items;
}

describe('who we are at a registry', () => {
  const stored = { REGISTRY_AUTH_FILE: join(folder, 'auth.json') };
  const cases = [
    {
      name: 'a password file, without its line end, before what docker has',
      yaml: `registries: { "${host}": { insecure: true, credentials: { username: robot, passwordFile: secret } } }`,
      env: stored,
      tag: tagOf('robot', 'from-file'),
    },
    {
      name: 'a password in the environment',
      yaml: `registries: { "${host}": { insecure: true, credentials: { username: robot, passwordEnv: SECRET } } }`,
      env: { SECRET: 'from-env' },
      tag: tagOf('robot', 'from-env'),
    },
    {
      name: 'what docker has stored; plain HTTP on loopback without being told',
      yaml: '',
      env: stored,
      tag: tagOf('docker', 'stored'),
    },
    {
      name: 'another host with an address of its own',
      yaml: `registries: { elsewhere.test: { url: "http://${host}", credentials: { username: robot, passwordFile: secret } } }`,
      env: {},
      host: 'elsewhere.test',
      tag: tagOf('robot', 'from-file'),
    },
  ];
  for (const { name, yaml, env, tag, host: asked } of cases) {
    test(name, async () =>
      expect((await tagsSeen(yaml, env, asked === undefined ? {} : { name: asked })).map(String)).toEqual([tag]),
    );
  }

  const failures = [
    { name: 'nobody where a name is needed', yaml: '', env: {}, error: { code: 'UNAUTHORIZED' } },
    {
      name: 'a secret file that is not there',
      yaml: `registries: { "${host}": { insecure: true, credentials: { username: robot, passwordFile: none } } }`,
      env: {},
      error: {
        code: 'UNAUTHORIZED',
        message: expect.stringContaining(`cannot be read from ${join(folder, 'none')}`),
      },
    },
    {
      name: 'a variable that is not set',
      yaml: `registries: { "${host}": { insecure: true, credentials: { username: robot, passwordEnv: SECRET } } }`,
      env: {},
      error: { code: 'UNAUTHORIZED', message: expect.stringContaining('cannot be read from the variable SECRET') },
    },
    {
      name: 'a certificate file that is not there',
      yaml: `registries: { "${host}": { ca: none.pem } }`,
      env: {},
      error: { code: 'CERTIFICATES_UNREADABLE' },
    },
  ];
  for (const { name, yaml, env, error } of failures) {
    test(name, async () => {
      await expect(tagsSeen(yaml, env)).rejects.toMatchObject(error);
    });
  }
});

describe('which credentials, by repository', () => {
  const vendor = '{ repositories: ["vendor/**"], username: vendor, passwordEnv: SECRET }';
  const cases = [
    {
      name: 'the first that fits',
      list: `[${vendor}, { username: rest, passwordEnv: SECRET }]`,
      of: 'vendor/a/b',
      user: 'vendor',
    },
    {
      name: 'the one for all',
      list: `[${vendor}, { username: rest, passwordEnv: SECRET }]`,
      of: 'team/a',
      user: 'rest',
    },
    { name: 'a single one that is not for all', list: vendor, of: 'vendor/a', user: 'vendor' },
    { name: 'what docker has stored, where none fits', list: `[${vendor}]`, of: 'team/a', user: 'docker' },
  ];
  for (const { name, list, of, user } of cases) {
    test(name, async () => {
      const yaml = `registries: { "${host}": { credentials: ${list} } }`;
      const env = { SECRET: 'stored', REGISTRY_AUTH_FILE: join(folder, 'auth.json') };
      expect((await tagsSeen(yaml, env, { of })).map(String)).toEqual([tagOf(user, 'stored')]);
    });
  }
});

describe('a token server elsewhere', () => {
  const tokens = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => Response.json({ token: 'let-in' }) });
  const guarded = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: (request) => {
      if (request.headers.get('authorization') === 'Bearer let-in')
        return Response.json({ name: 'app', tags: ['seen'] });
      const challenge = `Bearer realm="http://localhost:${tokens.port}/token",service="test"`;
      return new Response(null, { status: 401, headers: { 'www-authenticate': challenge } });
    },
  });
  afterAll(async () => {
    await tokens.stop(true);
    await guarded.stop(true);
  });

  test('is refused when it is not of the site, and the error names the key', async () => {
    await expect(tagsSeen('', {}, { name: `127.0.0.1:${guarded.port}` })).rejects.toMatchObject({
      hint: expect.stringContaining('trustedHosts'),
    });
  });

  test('is asked when trustedHosts names it', async () => {
    const name = `127.0.0.1:${guarded.port}`;
    const yaml = `registries: { "${name}": { trustedHosts: ["localhost:${tokens.port}"] } }`;
    expect((await tagsSeen(yaml, {}, { name })).map(String)).toEqual(['seen']);
  });
});

describe('whom we believe to be a registry', () => {
  const cases = [
    { name: 'https: the system’s authorities', yaml: '', host: 'quay.test', isGiven: true },
    {
      name: 'https on loopback, as configured',
      yaml: 'registries: { "localhost:1": { insecure: false } }',
      host: 'localhost:1',
      isGiven: true,
    },
    { name: 'plain http: none are read', yaml: '', host: 'localhost:1', isGiven: false },
    {
      name: 'plain http, as configured',
      yaml: 'registries: { a.test: { insecure: true } }',
      host: 'a.test',
      isGiven: false,
    },
    {
      name: 'plain http, by its url',
      yaml: 'registries: { a.test: { url: "http://a.test:80" } }',
      host: 'a.test',
      isGiven: false,
    },
  ];
  for (const { name, yaml, host: asked, isGiven } of cases) {
    test(name, async () => {
      const seen: unknown[] = [];
      const fetch = async (_url: string, init: BunFetchRequestInit) => {
        seen.push(init.tls && 'ca' in init.tls ? String(init.tls.ca).includes('BEGIN CERTIFICATE') : false);
        return Response.json({ name: 'app', tags: ['a'] });
      };
      await tagsSeen(yaml, {}, { name: asked, fetch: fetch as Fetch });
      expect(seen).toEqual([isGiven]);
    });
  }
});

test('a credential helper is given the variables that this program was started with', async () => {
  const helper = '#!/bin/sh\ncat >/dev/null\nprintf \'{"Username":"%s","Secret":"%s"}\' helper "$HTTPS_PROXY"\n';
  writeFileSync(join(folder, 'docker-credential-entrepot-test'), helper, { mode: 0o755 });
  writeFileSync(join(folder, 'helper.json'), JSON.stringify({ credHelpers: { [host]: 'entrepot-test' } }));
  const env = {
    PATH: `${folder}:/usr/bin:/bin`,
    REGISTRY_AUTH_FILE: join(folder, 'helper.json'),
    HTTPS_PROXY: 'http://proxy.test:3128',
  };
  expect((await tagsSeen('', env)).map(String)).toEqual([tagOf('helper', env.HTTPS_PROXY)]);
});

test('a client is made once for each role', async () => {
  const config = requireConfig(readConfig({ text: 'version: 1', file: 'entrepot.yaml', folder }));
  const machine = {
    clock: systemClock(),
    cwd: folder,
    env: {},
    fetch: globalThis.fetch,
    log: silentLog(),
    version: '1',
  };
  const clients = createClients(config, machine);
  expect(await clients.get('a.test', 'source')).toBe(await clients.get('a.test', 'source'));
  expect(await clients.get('a.test', 'source')).not.toBe(await clients.get('a.test', 'destination'));
});
