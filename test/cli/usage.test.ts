import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { VERSION } from '../../src/app/version.ts';
import { shellIn, temporaryFolder } from './fixture.ts';

const folder = temporaryFolder();
const shell = shellIn(folder.path);
afterAll(folder.remove);

describe('wrong usage', () => {
  const cases: { name: string; argv: string; stderr: string }[] = [
    {
      name: 'an unknown noun',
      argv: 'imag list',
      stderr: "error: unknown command 'imag'\n  do   Did you mean image? See entrepot --help\n",
    },
    {
      name: 'an unknown verb',
      argv: 'image lst',
      stderr: "error: unknown command 'lst'\n  do   Did you mean list? See entrepot image --help\n",
    },
    {
      name: 'an unknown option',
      argv: 'config check --confg x',
      stderr: "error: unknown option '--confg'\n  do   Did you mean --config? See entrepot config check --help\n",
    },
    {
      name: 'a missing argument',
      argv: 'image show',
      stderr:
        "error: missing required argument 'ref'\n  do   for example: entrepot image show team/app:1.2\n       see entrepot image show --help\n",
    },
    {
      name: 'too many arguments',
      argv: 'version now',
      stderr:
        "error: too many arguments for 'version'. Expected 0 arguments but got 1: now.\n  do   entrepot version --help\n",
    },
    {
      name: 'an output format that is none',
      argv: 'version -o xml',
      stderr:
        "error: option '-o, --output <format>' argument 'xml' is invalid. Allowed choices are text, json, jsonl, yaml.\n  do   entrepot version --help\n",
    },
    {
      name: 'a shell without completion',
      argv: 'completion tcsh',
      stderr: 'error: there is no completion for "tcsh"\n  do   use bash, zsh or fish\n',
    },
    {
      name: 'a configuration that is not there',
      argv: 'config show --config nope.yaml',
      stderr:
        'error: cannot read nope.yaml\n  why  there is no such file\n  do   check the path; entrepot init writes a new entrepot.yaml\n',
    },
    {
      name: 'a reference that is none',
      argv: 'image show A/b',
      stderr:
        'error: "A/b" is not a repository name\n  do   use lower-case letters, digits and single separators (. _ __ -), parts divided by /, 255 characters at most\n',
    },
    {
      name: 'a copy to a digest',
      argv: `image copy a b@sha256:${'0'.repeat(64)}`,
      stderr: `error: b@sha256:${'0'.repeat(64)} is a digest, and a copy goes to a tag\n  why  the digest at the destination is that of the source\n  do   leave it out, or write a tag\n`,
    },
    {
      name: 'a delete of a whole repository',
      argv: 'image delete a/b --yes',
      stderr: 'error: "a/b" names no tag and no digest\n  do   write repository:tag or repository@sha256:…\n',
    },
    {
      name: 'a limit that is no number',
      argv: 'repo list --limit many',
      stderr: 'error: "many" is not a count\n  do   write a whole number, such as --limit 50\n',
    },
    {
      name: 'mirrors without a configuration',
      argv: 'mirror apply',
      stderr:
        'error: the configuration has no mirrors\n  why  there is no entrepot.yaml here, and --config names none\n  do   entrepot init writes an example\n',
    },
  ];
  for (const { name, argv, stderr } of cases) {
    test(name, async () => expect(await shell.run(argv)).toEqual({ code: 2, stdout: '', stderr }));
  }
});

describe('help', () => {
  test('examples come first', async () => {
    const { code, stdout } = await shell.run('image copy --help');
    expect(code).toBe(0);
    expect(stdout).toStartWith('Examples:\n  entrepot image copy quay.io/vendor/nginx:1.27 team/nginx\n');
  });
  test('the whole program, with its exit codes', async () => {
    const { code, stdout } = await shell.run('--help');
    expect(code).toBe(0);
    expect(stdout).toContain('130 interrupted');
  });
  test('a noun without its verb shows its verbs, and has failed', async () => {
    const { code, stderr } = await shell.run('gc');
    expect(code).toBe(2);
    expect(stderr).toContain('Usage: entrepot gc');
  });
});

describe('version', () => {
  for (const argv of ['version', '--version', '-V', 'version -o text']) {
    test(argv, async () => {
      expect(await shell.run(argv)).toEqual({ code: 0, stdout: `entrepot ${VERSION}\n`, stderr: '' });
    });
  }
  test('jsonl is one object a line', async () => {
    const { stdout } = await shell.run('version -o jsonl');
    expect(JSON.parse(stdout)).toMatchObject({ apiVersion: 'entrepot/v1', kind: 'Version', version: VERSION });
  });
});

describe('completion', () => {
  for (const name of ['bash', 'zsh', 'fish']) {
    test(name, async () => {
      const { code, stdout } = await shell.run(`completion ${name}`);
      expect([code, stdout.includes('image'), stdout.includes('--config') || stdout.includes('-l config')]).toEqual([
        0,
        true,
        true,
      ]);
    });
  }
  test('bash finds verbs and flags', async () => {
    writeFileSync(join(folder.path, 'completion.bash'), (await shell.run('completion bash')).stdout);
    const script = `source completion.bash
      COMP_WORDS=(entrepot image ""); COMP_CWORD=2; _entrepot; echo "\${COMPREPLY[@]}"
      COMP_WORDS=(entrepot image show x --ou); COMP_CWORD=4; _entrepot; echo "\${COMPREPLY[@]}"`;
    const bash = Bun.spawn(['bash', '-c', script], { cwd: folder.path });
    expect(await new Response(bash.stdout).text()).toBe('copy delete list show warm\n--output\n');
  });
});

describe('init', () => {
  const fresh = temporaryFolder();
  const here = shellIn(fresh.path);
  afterAll(fresh.remove);
  const file = () => readFileSync(join(fresh.path, 'entrepot.yaml'), 'utf8');
  test('without questions, what it writes is good', async () => {
    const { code, stdout } = await here.run('init --no-input', { answers: ['never', 'asked'] });
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout:
        'Wrote entrepot.yaml, and entrepot.v1.json for editors.\nNext: entrepot config check, then entrepot serve.\n',
    });
    expect((await here.run('config check')).stdout).toBe('The configuration is good.\n');
    expect(file()).toStartWith('# yaml-language-server: $schema=entrepot.v1.json\n');
  });
  test('a file that is there stays', async () => {
    const before = file();
    const { code, stderr } = await here.run('init --no-input');
    expect(code).toBe(2);
    expect(stderr).toStartWith('error: entrepot.yaml is already here\n');
    expect(file()).toBe(before);
  });
  test('three questions, and their answers are in the file', async () => {
    const answers = ['127.0.0.1:7000', './images', 'quay.io/vendor/nginx:1.27'];
    const { code, stderr } = await here.run('init --force', { answers });
    expect([code, stderr.split('?').length + stderr.split(']: ').length]).toEqual([0, 5]);
    const shown = await here.run('config show -o json');
    const entries = Object.fromEntries(
      JSON.parse(shown.stdout).items.map((item: { key: string; value: unknown }) => [item.key, item.value]),
    );
    expect(entries).toMatchObject({
      'server.listen': '127.0.0.1:7000',
      'storage.path': join(fresh.path, 'images'),
      'mirrors.nginx.source': 'quay.io/vendor',
      'mirrors.nginx.repositories': ['nginx'],
      'mirrors.nginx.tags': ['1.27'],
    });
  });
});

describe('config', () => {
  const bad = temporaryFolder();
  const here = shellIn(bad.path);
  beforeAll(() => writeFileSync(join(bad.path, 'entrepot.yaml'), 'version: 1\nservr: {}\nstorage: { path: 5 }\n'));
  afterAll(bad.remove);
  test('check names every mistake on standard output', async () => {
    expect(await here.run('config check')).toEqual({
      code: 2,
      stdout:
        'entrepot.yaml:2:1  unknown key "servr" (did you mean "server"?)\nentrepot.yaml:3:18  storage.path: expected a text, got 5\n2 errors. Nothing was changed.\n',
      stderr: '',
    });
  });
  test('check as JSON', async () => {
    const { code, stdout } = await here.run('config check -o json');
    expect([code, JSON.parse(stdout).items.length]).toEqual([2, 2]);
  });
  test('check warns of what is allowed and may not be meant, and has not failed', async () => {
    writeFileSync(
      join(bad.path, 'open.yaml'),
      `version: 1
namespaces:
  team: { type: hosted }
  all: { type: virtual, members: [team] }
access: { anonymous: [{ repositories: ["all/**"], actions: [pull] }] }
`,
    );
    expect(await here.run('config check --config open.yaml')).toEqual({
      code: 0,
      stdout:
        'open.yaml:4:35  warning: anybody may pull all, and with it all of team that it shows; access.anonymous does not open team itself\nThe configuration is good; 1 warning.\n',
      stderr: '',
    });
  });
  test('every other command refuses it with the same lines', async () => {
    const { code, stderr } = await here.run('serve');
    expect(code).toBe(2);
    expect(stderr).toBe(
      'error: the configuration has 2 errors\n  why  entrepot.yaml:2:1  unknown key "servr" (did you mean "server"?)\n       entrepot.yaml:3:18  storage.path: expected a text, got 5\n  do   entrepot config check\n',
    );
  });
  test('--config, the environment and flags, in their order', async () => {
    writeFileSync(join(bad.path, 'good.yaml'), 'version: 1\nserver: { listen: "127.0.0.1:1" }\n');
    const env = { ENTREPOT_SERVER_LISTEN: '127.0.0.1:2', ENTREPOT_CONFIG: 'good.yaml', ENTREPOT_LOG_LEVEL: 'warn' };
    const { stdout } = await here.run('config show', { env });
    expect(stdout).toContain('server.listen\t"127.0.0.1:2"\tENTREPOT_SERVER_LISTEN\n');
    expect(stdout).toContain('log.level\t"warn"\tENTREPOT_LOG_LEVEL\n');
    const named = await here.run('config show --config good.yaml');
    expect(named.stdout).toContain('server.listen\t"127.0.0.1:1"\tgood.yaml:2:19\n');
  });
  test('schema is the one of the repository', async () => {
    const { stdout } = await here.run('config schema');
    expect(stdout).toBe(readFileSync(join(import.meta.dir, '../../schema/entrepot.v1.json'), 'utf8'));
  });
});

describe('colours', () => {
  const cases: { name: string; env: Record<string, string>; argv: string; painted: boolean }[] = [
    { name: 'none where it is no terminal', env: {}, argv: 'completion x', painted: false },
    { name: 'forced', env: { CLICOLOR_FORCE: '1' }, argv: 'completion x', painted: true },
    { name: 'NO_COLOR wins', env: { CLICOLOR_FORCE: '1', NO_COLOR: '1' }, argv: 'completion x', painted: false },
    { name: '--no-color wins', env: { CLICOLOR_FORCE: '1' }, argv: 'completion x --no-color', painted: false },
  ];
  for (const { name, env, argv, painted } of cases) {
    test(name, async () => expect((await shell.run(argv, { env })).stderr.includes('\u001b[')).toBe(painted));
  }
});
