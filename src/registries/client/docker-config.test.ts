import { describe, expect, test } from 'bun:test';
import { firstOf, fixedCredentials } from './credential.ts';
import type { Spawn } from './credential-helper.ts';
import { dockerConfigCredentials } from './docker-config.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const JOE = { auth: base64('joe:s3:cret') };
const AS_JOE = { kind: 'basic', username: 'joe', password: 's3:cret' };

type Setup = {
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly spawn?: Spawn;
};

function sourceOf({ files = {}, env = { HOME: '/joe' }, spawn }: Setup) {
  return dockerConfigCredentials({
    env,
    readFile: async (path) => {
      const text = files[path];
      if (text === undefined) throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' });
      return text;
    },
    spawn: spawn ?? (async () => Promise.reject(new Error('no such program'))),
  });
}

const config = (json: object) => ({ '/joe/.docker/config.json': JSON.stringify(json) });

/** A helper that knows one server. */
const helper =
  (server: string, answer: object): Spawn =>
  async ([program], { stdin }) => {
    if (program !== 'docker-credential-test') throw new Error(`asked ${program}`);
    if (stdin === server) return { exitCode: 0, stdout: `${JSON.stringify(answer)}\n` };
    return { exitCode: 1, stdout: 'credentials not found in native keychain\n' };
  };

describe('docker’s configuration', () => {
  const cases: { name: string; setup: Setup; host: string; expected: object | undefined }[] = [
    { name: 'no file', setup: {}, host: 'quay.io', expected: undefined },
    { name: 'auth', setup: { files: config({ auths: { 'quay.io': JOE } }) }, host: 'quay.io', expected: AS_JOE },
    {
      name: 'another host',
      setup: { files: config({ auths: { 'quay.io': JOE } }) },
      host: 'ghcr.io',
      expected: undefined,
    },
    {
      name: 'a host with a port',
      setup: { files: config({ auths: { 'r.x:5000': JOE } }) },
      host: 'r.x:5000',
      expected: AS_JOE,
    },
    {
      name: 'a host is not its look-alike',
      setup: { files: config({ auths: { 'r.x:5000': JOE } }) },
      host: 'r.x',
      expected: undefined,
    },
    {
      name: 'an old entry is a URL',
      setup: { files: config({ auths: { 'https://quay.io/v1/': JOE } }) },
      host: 'quay.io',
      expected: AS_JOE,
    },
    {
      name: 'Docker Hub',
      setup: { files: config({ auths: { 'https://index.docker.io/v1/': JOE } }) },
      host: 'docker.io',
      expected: AS_JOE,
    },
    {
      name: 'the Hub’s key is of the Hub alone',
      setup: { files: config({ auths: { 'https://index.docker.io/v1/': JOE } }) },
      host: 'index.example',
      expected: undefined,
    },
    {
      name: 'identity token',
      setup: { files: config({ auths: { 'a.io': { ...JOE, identitytoken: 'r' } } }) },
      host: 'a.io',
      expected: { kind: 'identity', token: 'r' },
    },
    {
      name: 'registry token',
      setup: { files: config({ auths: { 'a.io': { registrytoken: 't' } } }) },
      host: 'a.io',
      expected: { kind: 'bearer', token: 't' },
    },
    {
      name: 'user and password',
      setup: { files: config({ auths: { 'a.io': { username: 'joe', password: 's3:cret' } } }) },
      host: 'a.io',
      expected: AS_JOE,
    },
    { name: 'an empty entry', setup: { files: config({ auths: { 'a.io': {} } }) }, host: 'a.io', expected: undefined },
    {
      name: 'REGISTRY_AUTH_FILE before docker’s',
      setup: {
        env: { HOME: '/joe', REGISTRY_AUTH_FILE: '/auth.json' },
        files: {
          ...config({ auths: { 'a.io': { username: 'x', password: 'y' } } }),
          '/auth.json': JSON.stringify({ auths: { 'a.io': JOE } }),
        },
      },
      host: 'a.io',
      expected: { ...AS_JOE, source: '/auth.json' },
    },
    {
      name: 'podman’s own file',
      setup: {
        env: { XDG_RUNTIME_DIR: '/run/1' },
        files: { '/run/1/containers/auth.json': JSON.stringify({ auths: { 'a.io': JOE } }) },
      },
      host: 'a.io',
      expected: AS_JOE,
    },
    {
      name: 'DOCKER_AUTH_CONFIG before files',
      setup: {
        env: { HOME: '/joe', DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { 'a.io': JOE } }) },
        files: config({ auths: { 'a.io': { username: 'x', password: 'y' } } }),
      },
      host: 'a.io',
      expected: { ...AS_JOE, source: 'DOCKER_AUTH_CONFIG' },
    },
    {
      name: 'DOCKER_CONFIG names the folder',
      setup: {
        env: { HOME: '/joe', DOCKER_CONFIG: '/dc' },
        files: { '/dc/config.json': JSON.stringify({ auths: { 'a.io': JOE } }) },
      },
      host: 'a.io',
      expected: AS_JOE,
    },
    {
      name: 'credsStore',
      setup: { files: config({ credsStore: 'test' }), spawn: helper('a.io', { Username: 'joe', Secret: 's3:cret' }) },
      host: 'a.io',
      expected: { ...AS_JOE, source: 'docker-credential-test' },
    },
    {
      name: 'credHelpers, with the Hub’s key',
      setup: {
        files: config({ credHelpers: { 'docker.io': 'test' } }),
        spawn: helper('https://index.docker.io/v1/', { Username: '<token>', Secret: 'r' }),
      },
      host: 'docker.io',
      expected: { kind: 'identity', token: 'r' },
    },
    {
      name: 'a helper that has nothing: the file’s entry',
      setup: { files: config({ credsStore: 'test', auths: { 'a.io': JOE } }), spawn: helper('b.io', {}) },
      host: 'a.io',
      expected: AS_JOE,
    },
  ];
  for (const { name, setup, host, expected } of cases) {
    test(name, async () => {
      const credential = await sourceOf(setup)(host);
      if (expected === undefined) expect(credential).toBeUndefined();
      else expect(credential).toMatchObject(expected);
    });
  }

  const failures: { name: string; setup: Setup; code: string; says: string }[] = [
    {
      name: 'a file that is no JSON',
      setup: { files: { '/joe/.docker/config.json': 's3:cret' } },
      code: 'CREDENTIALS_UNREADABLE',
      says: '/joe/.docker/config.json',
    },
    {
      name: 'a named file that is not there',
      setup: { env: { REGISTRY_AUTH_FILE: '/gone' } },
      code: 'CREDENTIALS_UNREADABLE',
      says: '/gone',
    },
    {
      name: 'an auth that is no pair',
      setup: { files: config({ auths: { 'a.io': { auth: base64('s3:'.slice(0, 2)) } } }) },
      code: 'CREDENTIALS_UNREADABLE',
      says: 'config.json',
    },
    {
      name: 'a helper that is not there',
      setup: { files: config({ credsStore: 'gone' }) },
      code: 'CREDENTIAL_HELPER_FAILED',
      says: 'docker-credential-gone',
    },
    {
      name: 'a helper with a path for a name',
      setup: { files: config({ credsStore: '../../x' }) },
      code: 'CREDENTIAL_HELPER_FAILED',
      says: 'name',
    },
    {
      name: 'a helper that fails',
      setup: { files: config({ credsStore: 'test' }), spawn: async () => ({ exitCode: 3, stdout: 'locked' }) },
      code: 'CREDENTIAL_HELPER_FAILED',
      says: 'locked',
    },
    {
      name: 'a helper that answers nonsense',
      setup: { files: config({ credsStore: 'test' }), spawn: async () => ({ exitCode: 0, stdout: 'Secret=s3:cret' }) },
      code: 'CREDENTIAL_HELPER_FAILED',
      says: 'not JSON',
    },
  ];
  for (const { name, setup, code, says } of failures) {
    test(`${name} is ${code}`, async () => {
      const failure = await sourceOf(setup)('a.io').then(
        () => undefined,
        (thrown) => thrown,
      );
      expect(failure).toMatchObject({ code });
      expect(`${failure.message} ${failure.why}`).toContain(says);
      expect(Bun.inspect(failure)).not.toContain('s3:cret');
    });
  }

  test('the first source that knows the host', async () => {
    const own = fixedCredentials({ 'a.io': { username: 'own', password: 'p' } });
    const source = firstOf(own, sourceOf({ files: config({ auths: { 'a.io': JOE, 'b.io': JOE } }) }));
    expect(await source('a.io')).toMatchObject({ username: 'own' });
    expect(await source('b.io')).toMatchObject({ username: 'joe' });
    expect(await source('c.io')).toBeUndefined();
  });
});
