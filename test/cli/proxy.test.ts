import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { verifyClosure } from '../harness/read.ts';
import { proxyFolder, startUpstream } from './proxy-stage.ts';

type Envelope<T> = { readonly items: readonly T[] };
const itemsOf = <T>(stdout: string) => (JSON.parse(stdout) as Envelope<T>).items;

const CONFIG = `version: 1
namespaces:
  team: { type: hosted }
  hub:
    type: proxy
    upstream: docker.io
    freshness: [{ tags: semver, immutable: true }]
    deny: [library/evil]
    maxBytes: 1GB
    warm: ["redis:latest"]
    hosts: [hub.test]
  all: { type: virtual, members: [team, { namespace: hub, deny: ["grafana/*"] }], push: team }
`;

type Upstream = Awaited<ReturnType<typeof startUpstream>>;
type Folder = ReturnType<typeof proxyFolder>;

/** The configuration's own image is fetched first. */
async function untilWarmed(log: () => string): Promise<void> {
  while (!log().includes('"message":"warmed"')) await Bun.sleep(5);
}

describe('with a server', () => {
  let upstream: Upstream;
  let folder: Folder;
  let server: Awaited<ReturnType<Folder['serve']>>;
  const run = (argv: string, isTerminal = true) => folder.shell.run(argv, { isTerminal });
  beforeAll(async () => {
    upstream = await startUpstream(['library/redis:7:7.2.1:latest', 'grafana/grafana:12.0.0']);
    folder = proxyFolder(CONFIG, upstream.host);
    server = await folder.serve();
    await untilWarmed(server.stdout);
  });
  afterAll(async () => {
    await server.stop();
    folder.remove();
    await upstream.stop();
  });

  test('what the configuration wants here is fetched at the start', async () => {
    expect(server.stdout()).toContain('"images":1,"failed":0');
    const { stdout } = await run('image show hub/library/redis:latest');
    expect(stdout).toMatch(/^cached {5}yes$/m);
  });

  test('looking at an image asks the upstream nothing, and pulls nothing', async () => {
    const before = upstream.requests().length;
    const { code, stdout } = await run('image show hub/redis:7');
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: `image      hub/redis:7
cached     no
upstream   docker.io/library/redis (namespace hub)
rule       that of the namespace: no entry of freshness fits
next pull  fetch: it is not here
`,
    });
    await run('tag list hub/library/redis');
    await run('image list hub/library/redis');
    expect(upstream.requests()).toHaveLength(before);
  });

  test('of a virtual namespace the member that would answer is shown', async () => {
    const before = upstream.requests().length;
    const { code, stdout } = await run('image show all/redis:7.2.1');
    expect([code, stdout]).toEqual([
      0,
      expect.stringContaining('cached     no\nupstream   docker.io/library/redis (namespace hub)'),
    ]);
    expect((await run('image show all/library/evil:1')).stdout).toContain('rule       deny library/evil');
    expect(upstream.requests()).toHaveLength(before);
  });

  test('an image is warmed, then shown, then forgotten', async () => {
    const warmed = await run('image warm hub/redis:7.2.1 docker.io/grafana/grafana:12.0.0 -o json --quiet', false);
    expect(itemsOf(warmed.stdout)[0]).toMatchObject({
      images: [
        { image: 'hub/library/redis:7.2.1', outcome: 'fetched' },
        { image: 'hub/grafana/grafana:12.0.0', outcome: 'fetched' },
      ],
    });
    const again = await run('image warm hub/redis:7.2.1 -o json --quiet', false);
    expect(itemsOf(again.stdout)[0]).toMatchObject({ images: [{ outcome: 'here' }], newBytes: 0 });
    const shown = await run('image show hub/library/redis:7.2.1 -o json', false);
    expect(itemsOf(shown.stdout)[0]).toMatchObject({
      platforms: ['linux/amd64'],
      cache: { cached: true, upstream: 'docker.io/library/redis', rule: 'freshness[0] (semver)', next: 'hit' },
    });
    const forgotten = await run('image delete hub/redis:7.2.1 --yes');
    expect(forgotten.stdout).toBe('Forgot the copy of hub/redis:7.2.1.\n');
    expect((await run('image show hub/redis:7.2.1')).stdout).toContain('cached     no\n');
  });

  test('warming says what could not be had, and fetches the rest', async () => {
    const { code, stdout, stderr } = await run('image warm hub/redis:7 hub/library/nope:1 --quiet', false);
    expect(code).toBe(5);
    expect(stdout).toContain('1 of 2 images here');
    expect(stderr).toContain('error: hub/library/nope has no manifest 1\n');
  });

  test('names that are in no proxy are refused before anything is fetched', async () => {
    const before = upstream.requests().length;
    const { code, stderr } = await run('image warm hub/redis:7 team/app:1 --quiet', false);
    expect([code, stderr]).toEqual([
      2,
      'error: team/app:1 is in no proxy namespace\n  why  proxy namespaces: hub\n  do   nothing is fetched for team: what it has was pushed or mirrored there\n',
    ]);
    expect(upstream.requests()).toHaveLength(before);
  });

  test('a denied name says which rule', async () => {
    expect((await run('image show hub/library/evil:1')).stdout).toContain('rule       deny library/evil\n');
    const response = await fetch(`http://${server.host}/v2/hub/library/evil/manifests/1`);
    expect([response.status, await response.text()]).toEqual([403, expect.stringContaining('library/evil')]);
  });

  test('pulls by every name that leads there have one content', async () => {
    const digest = await verifyClosure(server.host, 'hub/library/redis', '7');
    expect(await verifyClosure(server.host, 'hub/redis', '7')).toBe(digest);
    expect(await verifyClosure(server.host, 'all/library/redis', '7')).toBe(digest);
    const byNs = await fetch(`http://${server.host}/v2/library/redis/manifests/7?ns=docker.io`);
    expect([byNs.headers.get('docker-content-digest'), byNs.headers.get('oci-namespace')]).toEqual([
      digest,
      'docker.io',
    ]);
    const byHost = await fetch(`http://${server.host}/v2/library/redis/manifests/7`, { headers: { host: 'hub.test' } });
    expect(byHost.headers.get('docker-content-digest')).toBe(digest);
    const unknown = await fetch(`http://${server.host}/v2/library/redis/manifests/7?ns=quay.io`);
    expect([unknown.status, await unknown.text()]).toEqual([404, expect.stringContaining('quay.io')]);
  });

  test('pushes into a proxy namespace are refused, into a virtual one they go to its member', async () => {
    const begin = async (name: string) =>
      (await fetch(`http://${server.host}/v2/${name}/blobs/uploads/`, { method: 'POST' })).status;
    expect([await begin('hub/library/mine'), await begin('all/mine')]).toEqual([403, 202]);
  });

  test('the namespaces and what is behind them', async () => {
    expect((await run('namespace list')).stdout).toBe(`NAMESPACE  TYPE     BEHIND IT                 HOSTS
team       hosted   -                         -
hub        proxy    docker.io                 hub.test
all        virtual  team, hub (pushes: team)  -
`);
    const { stdout } = await run('namespace show hub');
    expect(stdout).toMatch(/^kept {9}\d+ kB of 1\.0 GB \(0\.0%\): 2 repositories,/m);
    expect(stdout).toMatch(/^hit rate {5}\d+%$/m);
    expect(stdout).toMatch(/^upstream {5}\d+ pulls and \d+ kB taken there$/m);
    expect(stdout).toContain('  freshness             { tags: semver, immutable: true }\n');
    expect(stdout).toContain('repositories\n  hub/grafana/grafana\n  hub/library/redis\n');
  });

  test('of a virtual namespace what it shows of its members', async () => {
    const { stdout } = await run('namespace show all');
    expect(stdout).toContain('rules\n  members               { namespace: hub, deny: [grafana/*], whenDown: fail }\n');
  });

  test('a namespace that is not there, with the near one', async () => {
    const { code, stderr } = await run('namespace show hb', false);
    expect([code, stderr]).toEqual([
      1,
      'error: there is no namespace hb\n  why  the configuration has team, hub, all\n  do   did you mean hub?\n',
    ]);
  });

  const refused = [
    {
      name: 'a copy into a proxy',
      argv: 'image copy hub/redis:latest hub/redis:mine --progress none',
      says: 'error: nothing can be copied to hub/redis:mine\n  why  hub is a proxy namespace: only what is pulled is kept there\n  do   copy it to a hosted namespace: team\n',
    },
    {
      name: 'to delete in a virtual namespace what a proxy shows there',
      argv: 'image delete all/library/redis:latest --yes',
      says: 'do   entrepot image delete hub/library/redis:latest forgets it',
    },
  ];
  for (const { name, argv, says } of refused) {
    test(`${name} is refused with a way out`, async () => {
      expect((await run(argv, false)).stderr).toContain(says);
    });
  }

  test('the images of a namespace are listed by repository', async () => {
    const { code, stderr } = await run('image list hub', false);
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('do   entrepot namespace show hub lists what is in it'),
    ]);
  });

  test('the upstreams', async () => {
    expect((await run('upstream list')).stdout).toMatch(
      /^UPSTREAM {3}NAMESPACES {2}STATE .*\ndocker\.io {2}hub {9}ok {5}\d+ .* not known\n$/,
    );
    const [item] = itemsOf((await run('upstream list -o json', false)).stdout);
    expect(item).toMatchObject({
      host: 'docker.io',
      namespaces: ['hub'],
      breaker: { state: 'closed' },
      reservePulls: 0,
    });
  });

  test('status has both', async () => {
    const { stdout } = await run('status');
    expect(stdout).toMatch(/^proxy {6}hub of docker\.io: \d+ kB of 1\.0 GB kept, \d+% from here, \d+ kB saved$/m);
    expect(stdout).toMatch(/^upstream {3}docker\.io: ok$/m);
  });

  test('figures and lines of the log say how answers were come by', async () => {
    const text = await (await fetch(`http://${server.host}/metrics`)).text();
    expect(text).toContain('entrepot_upstream_breaker{upstream="docker.io"} 0');
    expect(text).toContain('entrepot_proxy_answers_total{namespace="hub",what="manifest",verdict="denied"} 1');
    expect(server.stdout()).toContain('"verdict":"hit"');
  });
});

describe('without a server', () => {
  let upstream: Upstream;
  let folder: Folder;
  beforeAll(async () => {
    upstream = await startUpstream(['library/redis:7']);
    folder = proxyFolder(CONFIG, upstream.host);
  });
  afterAll(async () => {
    folder.remove();
    await upstream.stop();
  });

  test('commands open the folder themselves, and what they fetched is there for the next', async () => {
    const { shell } = folder;
    expect((await shell.run('image warm hub/redis:7 --quiet')).code).toBe(0);
    const before = upstream.requests().length;
    const [shown] = itemsOf<object>((await shell.run('image show hub/redis:7 -o json')).stdout);
    expect(shown).toMatchObject({ repository: 'hub/library/redis', cache: { cached: true, next: 'hit' } });
    const [hub] = itemsOf<object>((await shell.run('namespace show hub -o json')).stdout);
    expect(hub).toMatchObject({ usage: { repositories: 1, tags: 1 }, traffic: { upstreamPulls: 1 } });
    expect((await shell.run('upstream list -o jsonl')).stdout).toContain('"host":"docker.io"');
    expect(upstream.requests()).toHaveLength(before);
  });

  test('a configuration without namespaces has none to list, and says so', async () => {
    const plain = proxyFolder('version: 1\n', upstream.host);
    const namespaces = await plain.shell.run('namespace list');
    const upstreams = await plain.shell.run('upstream list');
    plain.remove();
    expect([namespaces.stderr, upstreams.stderr]).toEqual([
      'The configuration has no namespaces: every name is hosted here.\n',
      'No namespace reads a registry elsewhere. docs/guides/proxy.md shows how to add one.\n',
    ]);
  });
});

describe('when the upstream is gone', () => {
  let folder: Folder;
  let server: Awaited<ReturnType<Folder['serve']>>;
  beforeAll(async () => {
    const upstream = await startUpstream(['library/redis:7']);
    folder = proxyFolder(
      'version: 1\nnamespaces: { hub: { type: proxy, upstream: docker.io, freshFor: 1ms } }\n',
      upstream.host,
    );
    server = await folder.serve();
    await (await fetch(`http://${server.host}/v2/hub/redis/manifests/7`)).text();
    await upstream.stop();
  });
  afterAll(async () => {
    await server.stop();
    folder.remove();
  });
  const get = (name: string) => fetch(`http://${server.host}/v2/hub/library/${name}`);

  test('what was pulled is served on, marked, and what was not is no 404', async () => {
    const kept = await get('redis/manifests/7');
    expect([kept.status, kept.headers.get('x-entrepot-cache'), kept.headers.get('warning')]).toEqual([
      200,
      'stale-if-error',
      expect.stringContaining('docker.io could not be reached'),
    ]);
    expect((await get('nope/manifests/7')).status).toBe(502);
  });
  test('the command line says since when, and what is here of an image', async () => {
    // A few failures in a row, and it is left alone.
    for (let failures = 0; failures < 5; failures++) await get('redis/manifests/7');
    expect((await folder.shell.run('upstream list')).stdout).toContain('down after');
    const shown = await folder.shell.run('image show hub/redis:7');
    expect([shown.code, shown.stdout]).toEqual([0, expect.stringMatching(/^cached {5}in part: 0 of 2 blobs/m)]);
    const warmed = await folder.shell.run('image warm hub/redis:8 --quiet');
    expect([warmed.code, warmed.stderr]).toEqual([1, expect.stringContaining('entrepot upstream test docker.io')]);
  });
});

describe('snippet', () => {
  const folder = proxyFolder(CONFIG, '127.0.0.1:1');
  afterAll(folder.remove);
  test('files under their paths, all else as comments', async () => {
    const { code, stdout } = await folder.shell.run('snippet docker');
    expect([code, stdout.slice(0, stdout.indexOf('\n\n'))]).toEqual([
      0,
      '# ---- /etc/docker/daemon.json\n{\n  "registry-mirrors": [\n    "http://hub.test:5000"\n  ]\n}',
    ]);
  });
  test('for programs', async () => {
    const [snippet] = itemsOf<object>((await folder.shell.run('snippet podman --namespace hub -o json')).stdout);
    expect(snippet).toMatchObject({
      client: 'podman',
      files: [{ path: expect.stringContaining('registries.conf.d') }],
    });
  });
  test('a namespace that is none', async () => {
    const { code, stderr } = await folder.shell.run('snippet podman --namespace hb');
    expect([code, stderr]).toEqual([
      2,
      'error: "hb" is no proxy namespace of the configuration\n  why  proxy namespaces: hub\n  do   did you mean hub?\n',
    ]);
  });
});
