import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseRepository } from '#core/oci';
import { silentLog, systemClock } from '#core/std';
import { readConfig, requireConfig } from '#surface/config';
import { createClients } from './clients.ts';

const folder = mkdtempSync(join(tmpdir(), 'entrepot-accounts-'));
afterAll(() => rmSync(folder, { recursive: true }));
writeFileSync(
  join(folder, 'auth.json'),
  JSON.stringify({ auths: { 'quay.io': { auth: btoa('stored:secret') }, 'ghcr.io': { auth: '!' } } }),
);

async function accountsOf(host: string, credentials: string) {
  const yaml = credentials === '' ? '' : `registries: { ${host}: { insecure: true, credentials: ${credentials} } }\n`;
  const config = requireConfig(readConfig({ text: `version: 1\n${yaml}`, file: 'e.yaml', folder }));
  const env = { REGISTRY_AUTH_FILE: join(folder, 'auth.json') };
  const machine = { clock: systemClock(), cwd: folder, env, fetch: globalThis.fetch, log: silentLog(), version: '1' };
  return await createClients(config, machine).accounts(host);
}

describe('who reads an upstream', () => {
  const one = (name: string, more = '') => `{ username: ${name}, passwordEnv: P${more} }`;
  const cases = [
    { name: 'nobody, where nothing is known', host: 'a.io', credentials: '', accounts: ['anonymous'] },
    { name: 'whom docker knows', host: 'quay.io', credentials: '', accounts: ['stored'] },
    { name: 'the one configured', host: 'quay.io', credentials: one('joe'), accounts: ['joe'] },
    {
      name: 'all that are for everything',
      host: 'quay.io',
      credentials: `[${one('a')}, ${one('b')}]`,
      accounts: ['a', 'b'],
    },
    {
      name: 'beside those for some repositories, whom docker knows',
      host: 'quay.io',
      credentials: `[${one('vendor', ', repositories: ["vendor/**"]')}]`,
      accounts: ['vendor', 'stored'],
    },
    {
      name: 'a token has the name of its place',
      host: 'a.io',
      credentials: '{ registryTokenEnv: T }',
      accounts: ['registries.a.io.credentials'],
    },
    {
      name: 'what docker has stored is broken: said when it is needed',
      host: 'ghcr.io',
      credentials: '',
      accounts: ['stored'],
    },
  ];
  for (const { name, host, credentials, accounts } of cases) {
    test(name, async () => {
      expect((await accountsOf(host, credentials)).map((account) => account.name)).toEqual(accounts);
    });
  }

  test('one for some repositories serves those alone', async () => {
    const [vendor, rest] = await accountsOf(
      'quay.io',
      `[${one('vendor', ', repositories: ["vendor/**"]')}, ${one('all')}]`,
    );
    const repositories = ['vendor/app', 'other/app'].map(parseRepository);
    expect([repositories.map((repository) => vendor?.serves?.(repository)), rest?.serves]).toEqual([
      [true, false],
      undefined,
    ]);
  });
});
