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

async function tagsSeen(yaml: string, env: Record<string, string>, name = host) {
  const config = requireConfig(readConfig({ text: `version: 1\n${yaml}`, file: 'entrepot.yaml', folder }));
  const machine = { clock: systemClock(), cwd: folder, env, fetch: globalThis.fetch, log: silentLog(), version: '1' };
  const client = await createClients(config, machine).get(name, 'source');
  return (await client.tags(parseRepository('app'), { limit: 10 }, systemCall('test'))).value.items;
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
    test(name, async () => expect((await tagsSeen(yaml, env, asked)).map(String)).toEqual([tag]));
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
      error: { code: 'UNAUTHORIZED', message: expect.stringContaining('cannot be read from SECRET') },
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
