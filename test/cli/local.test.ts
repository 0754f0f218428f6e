import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { diskFs, openFolder } from '../../src/registries/store/mod.ts';
import { shellIn, temporaryFolder } from './fixture.ts';

type Envelope<T> = { readonly apiVersion: string; readonly kind: string; readonly items: readonly T[] };
const itemsOf = <T>(stdout: string) => (JSON.parse(stdout) as Envelope<T>).items;

describe('the quickstart', () => {
  const folder = temporaryFolder();
  const shell = shellIn(folder.path);
  const taken = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response('a stranger') });
  const env = { ENTREPOT_SERVER_LISTEN: `127.0.0.1:${taken.port}` };
  const begin = () => shell.start('start --progress plain', 'Requests are logged below.', { env });
  let first: Awaited<ReturnType<typeof begin>>;
  beforeAll(async () => {
    first = await begin();
  });
  afterAll(async () => {
    await first.stop();
    await taken.stop(true);
    folder.remove();
  });

  test('mirrors the sample with visible progress and says what to type', () => {
    expect(first.stderr()).toContain('sample-vendor.test/vendor/hello:1.0.0 → team/hello:1.0.0  copied');
    expect(first.stdout()).toContain('copied 2 tags with all that is attached');
    expect(first.stdout()).toContain('attached  signature   application/vnd.dev.cosign.simplesigning.v1+json');
    expect(first.stdout()).toContain('attached  attestation application/vnd.dsse.envelope.v1+json');
    expect(first.stdout()).toContain('attached  SBOM        application/spdx+json');
  });
  test('says that the port was taken, and which one it has', () => {
    expect(first.stdout()).toContain(`(port ${taken.port} was taken)`);
    expect(first.stdout()).not.toContain(`docker run --rm 127.0.0.1:${taken.port}/`);
  });
  test('serves what the printed reference names', async () => {
    const [, reference = ''] = /docker run --rm (\S+)/.exec(first.stdout()) ?? [];
    const [, host = '', name = '', tag = ''] = /^([^/]+)\/(.+):([^:]+)$/.exec(reference) ?? [];
    const response = await fetch(`http://${host}/v2/${name}/manifests/${tag}`);
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      'application/vnd.oci.image.index.v1+json',
    ]);
  });
  test('a second process is told who holds the folder', async () => {
    const { code, stderr } = await shell.run('start');
    expect([code, stderr.split('\n')[0]]).toEqual([
      1,
      `error: the store in ${join(folder.path, 'data')} is in use by another process`,
    ]);
  });
  test('commands ask the server over its socket, which is for its owner only', async () => {
    const socket = join(folder.path, 'data', 'entrepot.sock');
    expect([statSync(socket).mode & 0o777, statSync(join(folder.path, 'data')).mode & 0o777]).toEqual([0o600, 0o700]);
    const [status] = itemsOf<{ serving: boolean; mirrors: string[] }>((await shell.run('status -o json')).stdout);
    expect(status).toMatchObject({ serving: true, mirrors: ['sample'], namespaces: ['team'] });
  });
  test('a copy inside goes through the server', async () => {
    const copied = await shell.run('image copy team/hello:1.0.0 team/again:2 --progress none -o json');
    expect(copied.code).toBe(0);
    const names = itemsOf<{ name: string }>((await shell.run('repo list -o json')).stdout).map(({ name }) => name);
    expect(names).toEqual(['team/again', 'team/hello']);
    const shown = await shell.run('image show team/again:2 -o json');
    expect(itemsOf<{ attached: unknown[] }>(shown.stdout)[0]?.attached).toHaveLength(3);
  });
  test('what happens inside the namespaces only is said so', async () => {
    const { code, stderr } = await shell.run('image copy team/hello:1.0.0 other/hello:1 --progress none');
    expect(code).toBe(1);
    expect(stderr).toContain('other/hello');
  });
  test('started again, it finds everything and copies nothing', async () => {
    expect(await first.stop()).toBe(0);
    first = await begin();
    expect(first.stdout()).toContain('nothing to copy: 2 tags are as they are at the vendor');
    expect(first.stderr()).not.toContain('copied');
  });
});

describe('commands on a folder that nobody serves', () => {
  const folder = temporaryFolder();
  const shell = shellIn(folder.path);
  beforeAll(async () => {
    const started = await shell.start('start', 'Requests are logged below.', {
      env: { ENTREPOT_SERVER_LISTEN: '127.0.0.1:0' },
    });
    await started.stop();
  });
  afterAll(folder.remove);

  test('status', async () => {
    const { code, stdout } = await shell.run('status');
    expect(code).toBe(0);
    expect(stdout).toContain('server     not running\n');
    expect(stdout).toContain(`storage    ${join(folder.path, 'data')}\n`);
  });
  test('image list: tab-separated for pipes', async () => {
    const { stdout } = await shell.run('image list');
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t'));
    expect(rows.map(([, digest]) => digest?.length)).toEqual([71, 71]);
    expect(rows.map(([name, , , platforms]) => [name, platforms])).toEqual([
      ['team/hello:1.0.0', 'linux/amd64 linux/arm64'],
      ['team/hello:latest', 'linux/amd64 linux/arm64'],
    ]);
  });
  test('image list: a table on a terminal, and a limit that is said', async () => {
    const { stdout, stderr } = await shell.run('image list team/hello --limit 1', { isTerminal: true });
    expect(stdout.split('\n')[0]).toBe('IMAGE             DIGEST               SIZE    PLATFORMS');
    expect(stderr).toBe('These are the first 1; --limit shows more.\n');
  });
  for (const format of ['jsonl', 'yaml']) {
    test(`tag list as ${format}`, async () => {
      const { stdout } = await shell.run(`tag list team/hello -o ${format}`);
      expect(stdout).toContain(format === 'jsonl' ? '"name":"latest"' : 'name: latest');
    });
  }
  test('scrub finds nothing wrong', async () => {
    const { code, stdout, stderr } = await shell.run('scrub --progress plain');
    expect([code, stdout.endsWith(': all as they should be.\n')]).toEqual([0, true]);
    expect(stderr).toMatch(/scrub: 0 of \d+ blobs, 0% of the bytes\n/);
  });
  test('scrub finds a damaged blob, and fails', async () => {
    const [tag] = itemsOf<{ digest: string }>((await shell.run('tag list team/hello -o json')).stdout);
    const detail = await shell.run(`image show team/hello@${tag?.digest} -o json`);
    const [image] = itemsOf<{ manifests: { digest: string }[] }>(detail.stdout);
    const child = await shell.run(`image show team/hello@${image?.manifests[0]?.digest} -o json`);
    const digest = itemsOf<{ layers: { digest: string }[] }>(child.stdout)[0]?.layers[0]?.digest ?? '';
    const hex = digest.slice('sha256:'.length);
    const path = join(folder.path, 'data', 'blobs', 'sha256', hex.slice(0, 2), hex);
    chmodSync(path, 0o600);
    writeFileSync(path, 'damaged');
    const { code, stdout } = await shell.run('scrub --progress none');
    expect(code).toBe(1);
    expect(stdout).toContain(`1 damaged piece, set aside`);
    expect(stdout).toContain(`${digest}  wrong-size  team/hello\n`);
  });
  test('delete asks, and refuses where nobody can be asked', async () => {
    const refused = await shell.run('image delete team/hello:latest');
    expect([refused.code, refused.stderr]).toEqual([
      2,
      'error: this needs a yes, and nobody can be asked here\n  why  standard input is not a terminal\n  do   add --yes\n',
    ]);
    const declined = await shell.run('image delete team/hello:latest', { answers: ['n'] });
    expect([declined.code, declined.stdout]).toEqual([1, '']);
    const agreed = await shell.run('image delete team/hello:latest', { answers: ['y'] });
    expect([agreed.code, agreed.stdout]).toEqual([0, 'Deleted tag team/hello:latest.\n']);
    expect((await shell.run('tag list team/hello')).stdout).not.toContain('latest');
  });
  test('what is not there: exit code 1, and the error of the registry', async () => {
    const { code, stderr } = await shell.run('image show team/nothing:1');
    expect([code, stderr.split('\n')[0]]).toEqual([1, 'error: there is no repository team/nothing']);
  });
  test('gc plan changes nothing, gc run answers what it did', async () => {
    writeFileSync(join(folder.path, 'soon.yaml'), 'version: 1\nstorage: { gcGrace: 0s }\n');
    expect((await shell.run('gc plan')).stdout).toStartWith(
      'Nothing to remove. What nothing refers to is kept for 24h',
    );
    await shell.run('image delete team/hello:1.0.0 --yes');
    const options = '--untagged --config soon.yaml';
    const planned = (await shell.run(`gc plan ${options}`)).stdout;
    expect(planned).toMatch(/^gc would remove \d+ manifests? and .+Nothing was changed; entrepot gc run does it\.\n$/);
    expect((await shell.run(`gc plan ${options}`)).stdout).toBe(planned);
    expect((await shell.run(`gc run ${options} -o json`)).stdout).toContain('"applied": true');
    expect((await shell.run(`gc plan ${options}`)).stdout).toStartWith('Nothing to remove.');
  });
  test('a socket that a killed server left behind is seen through', async () => {
    const socket = join(folder.path, 'data', 'entrepot.sock');
    const script = `Bun.serve({ unix: ${JSON.stringify(socket)}, fetch: () => new Response() }); console.log('up')`;
    const server = Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe' });
    await server.stdout.getReader().read();
    server.kill('SIGKILL');
    await server.exited;
    expect(existsSync(socket)).toBe(true);
    expect((await shell.run('status')).stdout).toContain('not running');
    const again = await shell.start('serve --listen 127.0.0.1:0', '"serving"');
    expect((await shell.run('status')).stdout).toContain('serving at');
    expect(await again.stop()).toBe(0);
    expect(existsSync(socket)).toBe(false);
  });
  test('a folder that somebody else holds without a socket', async () => {
    const held = await openFolder(join(folder.path, 'data'), diskFs());
    try {
      const { code, stderr } = await shell.run('status');
      expect([code, stderr.split('\n')[0]]).toEqual([
        1,
        `error: the store in ${join(folder.path, 'data')} is in use by another process`,
      ]);
    } finally {
      held.release();
    }
  });
});

describe('mirror apply', () => {
  const vendor = temporaryFolder();
  const folder = temporaryFolder();
  const shell = shellIn(folder.path);
  let source: Awaited<ReturnType<typeof shell.start>>;
  beforeAll(async () => {
    const env = { ENTREPOT_SERVER_LISTEN: '127.0.0.1:0' };
    source = await shellIn(vendor.path).start('start', 'Requests are logged below.', { env });
    const [, url = ''] = /serving at (\S+?),/.exec(source.stdout()) ?? [];
    mkdirSync(folder.path, { recursive: true });
    writeFileSync(
      join(folder.path, 'entrepot.yaml'),
      `version: 1
server: { listen: "127.0.0.1:0" }
registries: { vendor.test: { url: "${url}", insecure: true }, gone.test: { url: "http://127.0.0.1:1", insecure: true } }
namespaces: { base: { type: hosted } }
mirrors:
  all: { source: vendor.test/team, repositories: [hello], destinations: [base] }
  half: { source: vendor.test/team, repositories: [hello, nothing], destinations: [base/half] }
  none: { source: vendor.test/team, repositories: [nothing], destinations: [base] }
`,
    );
  });
  afterAll(async () => {
    await source.stop();
    vendor.remove();
    folder.remove();
  });

  const cases = [
    {
      name: 'the first run copies',
      argv: 'mirror apply all --yes',
      code: 0,
      stdout: /^Done: 2 copied, 0 unchanged \(/,
    },
    {
      name: 'the second has nothing to do',
      argv: 'mirror apply all --yes',
      code: 0,
      stdout: /^Nothing to do: 0 copied, 2 unchanged/,
    },
    {
      name: 'a repository that is missing makes it partly',
      argv: 'mirror apply half --yes',
      code: 5,
      stdout: /^Done: 2 copied, 0 unchanged, 1 failed/,
    },
    { name: 'nothing but failures is failed', argv: 'mirror apply none --yes', code: 1, stdout: /1 failed/ },
  ];
  for (const { name, argv, code, stdout } of cases) {
    test(name, async () => {
      const done = await shell.run(`${argv} --progress none`);
      expect([done.code, done.stdout]).toEqual([code, expect.stringMatching(stdout)]);
    });
  }
  test('what was deleted at the destination is found by --audit alone', async () => {
    await shell.run('image delete base/hello:latest --yes');
    const believing = await shell.run('mirror apply all --yes --progress none');
    expect(believing.stdout).toStartWith('Nothing to do: 0 copied, 2 unchanged');
    const looking = await shell.run('mirror apply all --yes --progress none --audit');
    expect(looking.stdout).toStartWith('Done: 1 copied, 1 unchanged');
  });
  test('an unknown name is told before anything is asked', async () => {
    const { code, stderr } = await shell.run('mirror apply al');
    expect([code, stderr]).toEqual([
      2,
      'error: there is no mirror "al"\n  why  the configuration has all, half, none\n  do   did you mean all?\n',
    ]);
  });
  test('it asks on a terminal', async () => {
    const declined = await shell.run('mirror apply all', { answers: [''] });
    expect([declined.code, declined.stdout, declined.stderr]).toEqual([
      1,
      '',
      'all: hello of vendor.test/team to base\nApply all? [y/N] Nothing was copied.\n',
    ]);
  });
  test('progress as JSON lines on standard error, the report on standard output', async () => {
    const { stdout, stderr } = await shell.run('mirror apply all --yes --progress json -o json');
    const kinds = stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).kind);
    expect(kinds.slice(0, 2)).toEqual(['run-started', 'run-planned']);
    expect(itemsOf<{ unchanged: number }>(stdout)[0]?.unchanged).toBe(2);
  });
  test('with a server running, the server does it', async () => {
    const server = await shell.start('serve', '"serving"');
    try {
      const { code, stdout, stderr } = await shell.run('mirror apply all --yes --progress plain');
      expect([code, stdout]).toEqual([0, expect.stringMatching(/^Nothing to do: 0 copied, 2 unchanged/)]);
      expect(stderr).toContain('mirror all: vendor.test/team to base\n');
    } finally {
      await server.stop();
    }
  });
});

describe('images in files', () => {
  const folder = temporaryFolder();
  const shell = shellIn(folder.path);
  beforeAll(async () => {
    const started = await shell.start('start', 'Requests are logged below.', {
      env: { ENTREPOT_SERVER_LISTEN: '127.0.0.1:0' },
    });
    await started.stop();
  });
  afterAll(folder.remove);

  const cases = [
    { name: 'into a folder', from: 'team/hello:1.0.0', to: 'oci:./out' },
    { name: 'from a folder into a tar', from: 'oci:./out:1.0.0', to: 'tar:out.tar:2.0.0' },
    { name: 'from a tar back', from: 'tar:out.tar:2.0.0', to: 'team/back:3.0.0' },
    { name: 'from a file of one image, without saying which', from: 'tar:out.tar', to: 'team/only' },
  ];
  for (const { name, from, to } of cases) {
    test(name, async () => {
      const { code, stderr } = await shell.run(`image copy ${from} ${to} --progress none`);
      expect([code, stderr]).toEqual([0, '']);
    });
  }
  test('the digest is the same all the way, and everything is still attached', async () => {
    const shown = async (reference: string) =>
      itemsOf<{ digest: string; attached: unknown[] }>((await shell.run(`image show ${reference} -o json`)).stdout)[0];
    const before = await shown('team/hello:1.0.0');
    const after = await shown('team/back:3.0.0');
    expect(after).toMatchObject({ digest: before?.digest ?? '', attached: before?.attached ?? [] });
    expect(after?.attached).toHaveLength(3);
  });
  test('a file of one image gives its tag too', async () => {
    expect((await shell.run('tag list team/only')).stdout).toStartWith('2.0.0\t');
  });
  test('a tar that is there is not replaced', async () => {
    const { code, stderr } = await shell.run('image copy team/hello:1.0.0 tar:out.tar:1 --progress none');
    expect([code, stderr]).toEqual([
      1,
      `error: ${join(folder.path, 'out.tar')} exists\n  do   name another file, or remove it first\n`,
    ]);
  });
  test('a copy that fails leaves no tar behind', async () => {
    const { code } = await shell.run('image copy team/hello:none tar:never.tar:1 --progress none');
    expect([code, existsSync(join(folder.path, 'never.tar'))]).toEqual([1, false]);
    expect(readdirSync(folder.path).filter((name) => name.startsWith('never'))).toEqual([]);
  });
  test('a folder that is not there', async () => {
    const { stderr } = await shell.run('image show oci:nowhere:1');
    expect(stderr).toStartWith(`error: there is nothing at ${join(folder.path, 'nowhere')}\n`);
  });
  test('the platforms asked for, under the same digest', async () => {
    const { code } = await shell.run(
      'image copy team/hello:1.0.0 team/small:1.0.0 --platform linux/arm64 --progress none',
    );
    const [image] = itemsOf<{ manifests: { platform: string; missing: boolean }[] }>(
      (await shell.run('image show team/small:1.0.0 -o json')).stdout,
    );
    expect([code, image?.manifests.map(({ platform, missing }) => [platform, missing])]).toEqual([
      0,
      [
        ['linux/amd64', true],
        ['linux/arm64', false],
      ],
    ]);
  });
});
