import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const repository = path.dirname(import.meta.dir);
let home = '';
let checkout = '';

/** A checkout that is installed already: what the launcher needs, and a program that says how it was called. */
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'entrepot-launcher-'));
  checkout = path.join(home, 'a checkout');
  await mkdir(path.join(checkout, 'node_modules', '.entrepot'), { recursive: true });
  await mkdir(path.join(checkout, 'src', 'app', 'cli'), { recursive: true });
  await mkdir(path.join(home, 'elsewhere'));
  await copyFile(path.join(repository, 'entrepot'), path.join(checkout, 'entrepot'));
  await chmod(path.join(checkout, 'entrepot'), 0o755);
  await writeFile(path.join(checkout, 'bunfig.toml'), '');
  await writeFile(path.join(checkout, 'bun.lock'), '{}');
  await utimes(path.join(checkout, 'bun.lock'), 1, 1);
  await writeFile(path.join(checkout, 'node_modules', '.entrepot', 'stamp'), '');
  await symlink(process.execPath, path.join(checkout, 'node_modules', '.entrepot', 'bun'));
  const program = `
    const [what = ''] = process.argv.slice(2);
    if (what === 'wait') { process.on('SIGTERM', () => process.exit(7)); setInterval(() => {}, 1000); console.log('ready'); }
    else { console.log(JSON.stringify({ args: process.argv.slice(2), cwd: process.cwd(), secret: process.env.SECRET })); process.exit(what === 'fail' ? 5 : 0); }`;
  await writeFile(path.join(checkout, 'src', 'app', 'cli', 'main.ts'), program);
  await writeFile(path.join(home, 'elsewhere', '.env'), 'SECRET=from-this-folder\n');
  await writeFile(path.join(home, 'elsewhere', 'bunfig.toml'), 'preload = ["./evil.ts"]\n');
  await writeFile(path.join(home, 'elsewhere', 'evil.ts'), 'process.exit(9);\n');
  await symlink('../a checkout/entrepot', path.join(home, 'elsewhere', 'linked'));
  await symlink(path.join(home, 'elsewhere', 'linked'), path.join(home, 'twice'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

const run = async (command: readonly string[], cwd: string, env: Record<string, string> = {}) => {
  const child = Bun.spawn([...command], { cwd, env: { PATH: process.env.PATH ?? '', ...env }, stderr: 'pipe' });
  const [exitCode, said, complained] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { exitCode, said, complained };
};

describe('the launcher', () => {
  const places = [
    { name: 'in the checkout', command: () => './entrepot', cwd: () => checkout },
    {
      name: 'by its path, from elsewhere',
      command: () => path.join(checkout, 'entrepot'),
      cwd: () => path.join(home, 'elsewhere'),
    },
    { name: 'through a relative link', command: () => './linked', cwd: () => path.join(home, 'elsewhere') },
    {
      name: 'through a link to a link',
      command: () => path.join(home, 'twice'),
      cwd: () => path.join(home, 'elsewhere'),
    },
  ];
  for (const place of places) {
    test(`${place.name}: arguments and folder arrive as they are, nothing of the folder is loaded`, async () => {
      const { said, exitCode } = await run([place.command(), 'image list', '--a=*', ''], place.cwd());
      expect(exitCode).toBe(0);
      expect(JSON.parse(said)).toEqual({ args: ['image list', '--a=*', ''], cwd: place.cwd() });
    });
  }

  test('through the PATH', async () => {
    const env = { PATH: `${checkout}:${process.env.PATH}` };
    expect((await run(['entrepot', 'x'], home, env)).said).toContain('"args":["x"]');
  });

  test('the exit code is the one of the program', async () => {
    expect((await run([path.join(checkout, 'entrepot'), 'fail'], home)).exitCode).toBe(5);
  });

  test('a signal reaches the program itself: no shell stands between', async () => {
    const child = Bun.spawn([path.join(checkout, 'entrepot'), 'wait'], { cwd: home, stdout: 'pipe' });
    await child.stdout.getReader().read();
    child.kill('SIGTERM');
    expect(await child.exited).toBe(7);
  });

  test('a lock file newer than what is installed runs the setup, whose failure ends it', async () => {
    const fresh = path.join(home, 'not installed');
    await mkdir(path.join(fresh, 'tools'), { recursive: true });
    await copyFile(path.join(repository, 'entrepot'), path.join(fresh, 'entrepot'));
    await chmod(path.join(fresh, 'entrepot'), 0o755);
    await writeFile(
      path.join(fresh, 'tools', 'bootstrap.mjs'),
      "process.stderr.write('setup ran'); process.exitCode = 3;",
    );
    const { exitCode, said, complained } = await run([path.join(fresh, 'entrepot'), 'version'], home);
    expect({ exitCode, said, complained }).toEqual({ exitCode: 3, said: '', complained: 'setup ran' });
  });
});
