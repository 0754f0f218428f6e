import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { shellIn, temporaryFolder } from './fixture.ts';

const anyPort = { env: { ENTREPOT_SERVER_LISTEN: '127.0.0.1:0' } };
const urlOf = (log: string): string => /"url":"([^"]+)"/.exec(log)?.[1] ?? '';
const pathOf = (name: string) => `/v2/${name}/blobs/uploads/`;

describe('serve', () => {
  const folder = temporaryFolder();
  const shell = shellIn(folder.path);
  afterAll(folder.remove);
  const serveWith = async (config: string) => {
    writeFileSync(join(folder.path, 'entrepot.yaml'), `version: 1\n${config}`);
    return await shell.start('serve', '"serving"', anyPort);
  };

  test('logs JSON lines with a line for each request, and ends cleanly', async () => {
    const server = await serveWith('');
    await fetch(`${urlOf(server.stdout())}/v2/`);
    expect(await server.stop()).toBe(0);
    const lines = server
      .stdout()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ message }) => message)).toEqual([
      'serving',
      'request',
      'stopping: transfers may end',
      'stopped',
    ]);
    expect(lines[1]).toMatchObject({ kind: 'ping', status: 200, principal: 'anonymous' });
    expect(server.stderr()).toBe('');
  });
  test('log.requests: false leaves them out', async () => {
    const server = await serveWith('log: { requests: false }\n');
    await fetch(`${urlOf(server.stdout())}/v2/`);
    await server.stop();
    expect(server.stdout()).not.toContain('"message":"request"');
  });
  test('anonymous rules are all that anybody may do', async () => {
    const server = await serveWith('access: { anonymous: [{ repositories: ["open/**"], actions: [push] }] }\n');
    const url = urlOf(server.stdout());
    const begin = async (name: string) => (await fetch(`${url}${pathOf(name)}`, { method: 'POST' })).status;
    const list = async (name: string) => (await fetch(`${url}/v2/${name}/tags/list`)).status;
    expect([await begin('open/app'), await begin('closed/app'), await list('open/app')]).toEqual([202, 403, 403]);
    await server.stop();
  });
  test('without an access block, a page of another site is refused', async () => {
    const server = await serveWith('');
    const headers = { origin: 'http://evil.example' };
    const response = await fetch(`${urlOf(server.stdout())}${pathOf('app')}`, { method: 'POST', headers });
    expect(response.status).toBe(403);
    await server.stop();
  });
  test('with namespaces, a name that none covers is unknown', async () => {
    const server = await serveWith('namespaces: { team: { type: hosted, immutableTags: [semver] } }\n');
    const response = await fetch(`${urlOf(server.stdout())}${pathOf('other/app')}`, { method: 'POST' });
    expect([response.status, await response.text()]).toEqual([404, expect.stringContaining('NAME_UNKNOWN')]);
    await server.stop();
  });
  test('the API is on the socket, not on the address', async () => {
    const server = await serveWith('');
    const outside = await fetch(`${urlOf(server.stdout())}/api/v1/status`);
    const inside = await fetch('http://localhost/api/v1/status', { unix: join(folder.path, 'data', 'entrepot.sock') });
    expect([outside.status, inside.status]).toEqual([404, 200]);
    await server.stop();
  });
  test('figures tell what is stored', async () => {
    const server = await serveWith('');
    const text = await (await fetch(`${urlOf(server.stdout())}/metrics`)).text();
    expect(text).toContain('entrepot_store_repositories 0');
    await server.stop();
  });
  test('a taken port is an error that names it, and the folder is free again', async () => {
    const stranger = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response('') });
    const listen = `127.0.0.1:${stranger.port}`;
    const { code, stderr } = await shell.run(`serve --listen ${listen}`);
    await stranger.stop(true);
    expect([code, stderr.split('\n').slice(0, 2)]).toEqual([
      1,
      [`error: cannot listen on ${listen}`, '  why  another program listens there'],
    ]);
    expect((await shell.run('status')).code).toBe(0);
  });
});

describe('Ctrl-C while a mirror runs', () => {
  const vendor = temporaryFolder();
  const folder = temporaryFolder();
  const shell = shellIn(folder.path);
  let source: Awaited<ReturnType<typeof shell.start>>;
  let blobs: 'pass' | 'hang' = 'hang';
  const asked = Promise.withResolvers<void>();
  /** The vendor, but its blobs do not come. */
  const stuck = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    fetch: async (request) => {
      const { pathname, search } = new URL(request.url);
      if (blobs === 'hang' && pathname.includes('/blobs/')) {
        asked.resolve();
        await new Promise(() => {});
      }
      const [, url = ''] = /serving at (http:\S+?)[ ,]/.exec(source.stdout()) ?? [];
      return await fetch(`${url}${pathname}${search}`, { method: request.method });
    },
  });
  beforeAll(async () => {
    source = await shellIn(vendor.path).start('start', 'Requests are logged below.', anyPort);
    writeFileSync(
      join(folder.path, 'entrepot.yaml'),
      `version: 1
registries: { stuck.test: { url: "http://127.0.0.1:${stuck.port}", insecure: true } }
mirrors: { all: { source: stuck.test/team, repositories: [hello], destinations: [base] } }
`,
    );
  });
  afterAll(async () => {
    await stuck.stop(true);
    await source.stop();
    vendor.remove();
    folder.remove();
  });

  test('stops, says so, and the next run does the rest', async () => {
    const running = await shell.start('mirror apply --yes --progress plain', '', {});
    await asked.promise;
    const code = await running.stop();
    expect([code, running.stdout()]).toEqual([130, expect.stringContaining('2 stopped')]);
    expect(running.stderr()).toContain('Stopped with 2 images to do; run it again to go on.\n');
    blobs = 'pass';
    const again = await shell.run('mirror apply --yes --progress none');
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('2 copied')]);
  });
});
