import { describe, expect, test } from 'bun:test';
import { formatProblem, type NamespaceConfig, namespaceOf, readConfig, requireConfig, tryParseSize } from './mod.ts';

/** The namespaces are written from line 2 on. */
function read(namespaces: string, more = '') {
  return readConfig({ text: `version: 1\nnamespaces:\n${namespaces}\n${more}`, file: 'e.yaml', folder: '/srv' });
}
const problemsOf = (namespaces: string, more?: string) => read(namespaces, more).problems.map(formatProblem);

describe('a namespace that is wrong', () => {
  const cases: { name: string; text: string; problems: string[] }[] = [
    {
      name: 'no type',
      text: '  hub: { upstream: docker.io }',
      problems: ['e.yaml:3:8  namespaces.hub.type is missing; write hosted or proxy or virtual'],
    },
    {
      name: 'a key of another type, and a mistyped one',
      text: '  hub: { type: proxy, upstream: docker.io, members: [a], freshfor: 1m }',
      problems: [
        'e.yaml:3:44  "members" in namespaces.hub is for type virtual, not proxy',
        'e.yaml:3:58  unknown key "freshfor" in namespaces.hub (did you mean "freshFor"?)',
      ],
    },
    {
      name: 'a proxy without an upstream',
      text: '  hub: { type: proxy }',
      problems: ['e.yaml:3:8  namespaces.hub.upstream is missing'],
    },
    {
      name: 'upstreams that are no hosts',
      text: '  a: { type: proxy, upstream: library }\n  b: { type: proxy, upstream: ["https://quay.io", quay.io/Vendor] }\n  c: { type: proxy, upstream: registry-1.docker.io }',
      problems: [
        'e.yaml:3:31  namespaces.a.upstream: expected host or host/namespace, got "library"; for Docker Hub write docker.io/library',
        'e.yaml:4:32  namespaces.b.upstream[0]: write quay.io instead of https://quay.io; how it is reached stands in registries',
        'e.yaml:4:51  namespaces.b.upstream[1]: "Vendor" is not a repository name',
        'e.yaml:5:31  namespaces.c.upstream: write docker.io instead of registry-1.docker.io',
      ],
    },
    {
      name: 'values of the wrong kind',
      text: `  hub:
    type: proxy
    upstream: docker.io
    freshFor: 10
    staleIfError: a month
    maxBytes: 200 gigabytes
    platforms: [arm]
    allow: ["${'x'.repeat(1025)}"]
    freshness: [{ tags: "semver:new" }, { tags: [latest], freshFor: soon }, { tag: latest }]`,
      problems: [
        'e.yaml:6:15  namespaces.hub.freshFor: expected a duration such as 10m, 24h or 7d, got 10',
        'e.yaml:11:77  namespaces.hub.freshness[2].tags is missing',
        'e.yaml:11:79  unknown key "tag" in namespaces.hub.freshness[2] (did you mean "tags"?)',
      ],
    },
    {
      name: 'durations, sizes, platforms and patterns of the right kind',
      text: `  hub:
    type: proxy
    upstream: docker.io
    staleIfError: a month
    maxBytes: 200 gigabytes
    platforms: [arm]
    freshness: [{ tags: "semver:new" }, { tags: [latest], freshFor: soon }]`,
      problems: [
        'e.yaml:6:19  namespaces.hub.staleIfError: expected a duration such as 10m, 24h or 7d, got "a month"',
        'e.yaml:7:15  namespaces.hub.maxBytes: expected a size such as 500MB, 200GB or 50GiB, got "200 gigabytes"',
        'e.yaml:8:17  namespaces.hub.platforms[0]: "arm" is not a platform; write os/architecture or os/architecture/variant, for example linux/arm64',
        'e.yaml:9:25  namespaces.hub.freshness[0].tags: "new" is not a range of versions; write for example ">=1.20", "^2.1" or "1.x || >=3"',
        'e.yaml:9:69  namespaces.hub.freshness[1].freshFor: expected a duration such as 10m, 24h or 7d, got "soon"',
      ],
    },
    {
      name: 'images to warm that have no tag, or are never served',
      text: '  hub: { type: proxy, upstream: docker.io, deny: [library/evil], allow: ["library/*"], warm: [redis, "evil:1", "acme/app:1", "redis:7"] }',
      problems: [
        'e.yaml:3:95  namespaces.hub.warm[0]: "redis" names no tag and no digest',
        'e.yaml:3:102  namespaces.hub.warm[1]: library/evil is never fetched: it is in deny',
        'e.yaml:3:112  namespaces.hub.warm[2]: acme/app is never fetched: it is not in allow',
      ],
    },
    {
      name: 'members that are not there, twice there, or in a circle',
      text: '  team: { type: hosted }\n  all: { type: virtual, members: [tean, team, team, more] }\n  more: { type: virtual, members: [{ namespace: all }] }',
      problems: [
        'e.yaml:4:35  namespaces.all.members[0]: "tean" is no namespace of this file (did you mean "team"?)',
        'e.yaml:4:47  namespaces.all.members[2]: "team" is a member already',
        'e.yaml:4:53  namespaces.all.members[3]: all → more → all is a circle',
        'e.yaml:5:49  namespaces.more.members[0].namespace: more → all → more is a circle',
      ],
    },
    {
      name: 'pushes to who is no member, or not hosted',
      text: '  team: { type: hosted }\n  hub: { type: proxy, upstream: docker.io }\n  a: { type: virtual, members: [hub], push: hub }\n  b: { type: virtual, members: [hub], push: team }',
      problems: [
        'e.yaml:5:45  namespaces.a.push: "hub" is a proxy namespace; pushes go to a hosted one',
        'e.yaml:6:45  namespaces.b.push: "team" is no member; what is pushed there could not be pulled',
      ],
    },
    {
      name: 'hosts of two namespaces, and one that is a URL',
      text: '  team: { type: hosted, hosts: [a.test] }\n  more: { type: hosted, hosts: [A.test, "http://b.test"] }',
      problems: [
        'e.yaml:4:33  namespaces.more.hosts[0]: A.test leads to team already',
        'e.yaml:4:41  namespaces.more.hosts[1]: "http://b.test" is not a host; write a name without https://, such as quay.io or registry:5000',
      ],
    },
  ];
  cases.push(
    {
      name: 'sizes and durations that are numbers',
      text: '  hub: { type: proxy, upstream: docker.io, maxBytes: 200, negativeFor: true, freshness: [{ tags: a, freshFor: 1 }] }',
      problems: [
        'e.yaml:3:54  namespaces.hub.maxBytes: expected a size such as 500MB, 200GB or 50GiB, got 200',
        'e.yaml:3:72  namespaces.hub.negativeFor: expected a duration such as 10m, 24h or 7d, got true',
        'e.yaml:3:111  namespaces.hub.freshness[0].freshFor: expected a duration such as 10m, 24h or 7d, got 1',
      ],
    },
    {
      name: 'upstreams that are twice there, on no port, or cut off',
      text: '  a: { type: proxy, upstream: [quay.io, quay.io] }\n  b: { type: proxy, upstream: "quay.io:99999" }\n  c: { type: proxy, upstream: quay.io/ }',
      problems: [
        'e.yaml:3:41  namespaces.a.upstream[1]: quay.io is in the list already',
        'e.yaml:4:31  namespaces.b.upstream: "quay.io:99999" is not a host; write a name without https://, such as quay.io or registry:5000',
        'e.yaml:5:31  namespaces.c.upstream: nothing stands after the /',
      ],
    },
  );
  for (const { name, text, problems } of cases) {
    test(name, () => expect(problemsOf(text)).toEqual(problems));
  }

  test('mirrors write to hosted namespaces alone', () => {
    const mirrors = 'mirrors: { m: { source: quay.io/v, repositories: [a], destinations: [hub/x, all] } }\n';
    const namespaces = '  hub: { type: proxy, upstream: docker.io }\n  all: { type: virtual, members: [hub] }';
    expect(problemsOf(namespaces, mirrors)).toEqual([
      'e.yaml:5:70  mirrors.m.destinations[0]: hub is a proxy namespace: only what is pulled is kept there',
      'e.yaml:5:77  mirrors.m.destinations[1]: all is a virtual namespace without push; name one of its members',
    ]);
  });

  test('an upstream that is this server', () => {
    const server = 'server: { url: "https://registry.example.com" }\n';
    expect(problemsOf('  hub: { type: proxy, upstream: registry.example.com/x }', server)).toEqual([
      'e.yaml:3:33  namespaces.hub.upstream: registry.example.com is this server itself (server.url)',
    ]);
  });

  const itself = [
    { name: 'server.listen', host: '127.0.0.1:5000', more: '' },
    {
      name: 'server.listen',
      host: 'localhost:7000',
      more: 'server: { listen: ":7000", insecure: true }\naccess: {}\n',
    },
    { name: 'server.listen', host: 'own', more: 'registries: { "own:1": { url: "http://localhost:5000" } }\n' },
    { name: 'namespaces.team.hosts', host: 'team.test', more: '' },
  ];
  for (const { name, host, more } of itself) {
    test(`an upstream that is this server by ${name}, as ${host}`, () => {
      const written = host === 'own' ? 'own:1' : host;
      const namespaces = `  hub: { type: proxy, upstream: "${written}" }\n  team: { type: hosted, hosts: [Team.test] }`;
      expect(problemsOf(namespaces, more)).toEqual([
        `e.yaml:3:33  namespaces.hub.upstream: ${written} is this server itself (${name})`,
      ]);
    });
  }

  test('limits of a host', () => {
    expect(
      problemsOf(
        '  team: { type: hosted }',
        'registries: { quay.io: { limits: { connections: 0, bytesPerSecond: fast, reserve: 1.5 } } }',
      ),
    ).toEqual([
      'e.yaml:4:49  registries.quay.io.limits.connections: expected at least 1',
      'e.yaml:4:83  registries.quay.io.limits.reserve: expected a whole number, got 1.5',
    ]);
  });
});

describe('a namespace that is right', () => {
  test('the form of the design, with its defaults', () => {
    const config = requireConfig(
      read(`  team: { type: hosted, immutableTags: ["semver"] }
  hub:  { type: proxy, upstream: docker.io, freshFor: 10m, staleIfError: 30d, allow: ["library/*"], deny: ["library/evil"],
          freshness: [{ tags: "semver", immutable: true }, { tags: "latest", freshFor: 1m }] }
  all:  { type: virtual, members: [team, hub], push: team }`),
    );
    expect(config.namespaces?.hub).toEqual({
      type: 'proxy',
      upstream: 'docker.io',
      freshFor: '10m',
      staleWhileRevalidate: '0s',
      staleIfError: '30d',
      negativeFor: '1m',
      offline: false,
      whenDeleted: 'keep',
      freshness: [
        { tags: 'semver', immutable: true },
        { tags: 'latest', freshFor: '1m' },
      ],
      allow: ['library/*'],
      deny: ['library/evil'],
      neverUpstream: [],
      platforms: [],
      keep: [],
      warm: [],
      hosts: [],
    });
    expect(config.namespaces?.all).toEqual({ type: 'virtual', members: ['team', 'hub'], push: 'team', hosts: [] });
  });

  test('several credentials for everything may stand in a list', () => {
    const registries =
      'registries: { docker.io: { credentials: [{ username: a, passwordEnv: A }, { username: b, passwordEnv: B }] } }';
    expect(problemsOf('  hub: { type: proxy, upstream: docker.io }', registries)).toEqual([]);
  });

  test('the longest namespace has a name', () => {
    const one: NamespaceConfig = { type: 'hosted', immutableTags: [], hosts: [] };
    const namespaces = { hub: one, 'hub/ours': one };
    const names = ['hub/a', 'hub/ours/a', 'hub/oursnot', 'hubs/a'];
    expect(names.map((name) => namespaceOf(namespaces, name))).toEqual(['hub', 'hub/ours', 'hub', undefined]);
  });
});

describe('warnings', () => {
  const namespaces =
    '  team: { type: hosted }\n  hub: { type: proxy, upstream: docker.io }\n  all: { type: virtual, members: [team, { namespace: hub, allow: ["library/*"] }] }';
  const cases = [
    { name: 'nobody is let in without credentials', anonymous: '[]', problems: [] },
    {
      name: 'the virtual one is open and a member is not',
      anonymous: '[{ repositories: ["all/**", "hub/**"], actions: [pull] }]',
      problems: [
        'e.yaml:5:35  warning: anybody may pull all, and with it all of team that it shows; access.anonymous does not open team itself',
      ],
    },
    {
      name: 'both are open as far as it shows them',
      anonymous: '[{ repositories: ["all/**", "team/**", "hub/library/*"], actions: [pull] }]',
      problems: [],
    },
    {
      name: 'part of it is open',
      anonymous: '[{ repositories: ["all/library/*", "team/**"], actions: [pull] }]',
      problems: [
        'e.yaml:5:41  warning: anybody may pull all, and with it all of hub that it shows; access.anonymous does not open hub itself',
      ],
    },
    { name: 'only pushes are open', anonymous: '[{ repositories: ["all/**"], actions: [push] }]', problems: [] },
  ];
  for (const { name, anonymous, problems } of cases) {
    test(name, () => {
      const result = read(namespaces, `access: { anonymous: ${anonymous} }\n`);
      expect([result.kind, ...result.problems.map(formatProblem)]).toEqual(['ok', ...problems]);
    });
  }
});

test('two namespaces of one upstream: which one ?ns= leads to', () => {
  const namespaces =
    '  a: { type: proxy, upstream: docker.io }\n  b: { type: proxy, upstream: [quay.io, docker.io] }\n  c: { type: proxy, upstream: quay.io/x }';
  expect(problemsOf(namespaces)).toEqual([
    'e.yaml:4:31  warning: docker.io is the upstream of a too: clients that ask with ?ns= are answered by a',
  ]);
});

describe('sizes', () => {
  const cases = [
    { text: '200GB', bytes: 200e9 },
    { text: '50MiB', bytes: 50 * 2 ** 20 },
    { text: '1.5 TB', bytes: 1.5e12 },
    { text: '10kB', bytes: 10_000 },
    { text: '7B', bytes: 7 },
    { text: '7', bytes: undefined },
    { text: 'GB', bytes: undefined },
    { text: '-1GB', bytes: undefined },
    { text: '1 G B', bytes: undefined },
  ];
  for (const { text, bytes } of cases) test(text, () => expect(tryParseSize(text)).toBe(bytes as number));
});
