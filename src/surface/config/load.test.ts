import { describe, expect, test } from 'bun:test';
import { type ConfigResult, formatProblem, readConfig, requireConfig } from './mod.ts';

function read(text: string): ConfigResult {
  return readConfig({ text, file: 'entrepot.yaml', folder: '/srv/registry' });
}

function problemsOf(text: string): string[] {
  return read(text).problems.map(formatProblem);
}

describe('a bad file', () => {
  const cases: { name: string; text: string; problems: string[] }[] = [
    { name: 'empty', text: '', problems: ['entrepot.yaml:1:1  version is missing; write 1'] },
    {
      name: 'unknown key with a near one',
      text: 'version: 1\nstorage:\n  pth: ./data\n',
      problems: ['entrepot.yaml:3:3  unknown key "pth" in storage (did you mean "path"?)'],
    },
    {
      name: 'unknown key with none near',
      text: 'version: 1\nzebra: 1\n',
      problems: ['entrepot.yaml:2:1  unknown key "zebra"'],
    },
    {
      name: 'several at once, in order of place',
      text: 'version: 2\nserver: { listn: x, insecure: maybe }\nnamespaces: { team: { type: hostd } }\n',
      problems: [
        'entrepot.yaml:1:10  version: expected 1, got 2',
        'entrepot.yaml:2:11  unknown key "listn" in server (did you mean "listen"?)',
        'entrepot.yaml:2:31  server.insecure: expected true or false, got "maybe"',
        'entrepot.yaml:3:29  namespaces.team.type: expected hosted or proxy or virtual, got "hostd" (did you mean "hosted"?)',
      ],
    },
    {
      name: 'a key of a later release at the top',
      text: 'version: 1\ntrust: { ci: { key: a.pub } }\n',
      problems: ['entrepot.yaml:2:1  "trust" is not in this release'],
    },
    {
      name: 'keys of a later release inside a mirror',
      text: 'version: 1\nmirrors:\n  base:\n    source: quay.io/v\n    repositories: [a]\n    tags: { semver: ">=1", keep: 5 }\n    destinations: [localhost:5000]\n    verify: [ci]\n    schedule: "0 2 * * *"\n',
      problems: [
        'entrepot.yaml:6:28  "keep" in mirrors.base.tags is not in this release',
        'entrepot.yaml:8:5  "verify" in mirrors.base is not in this release',
        'entrepot.yaml:9:5  "schedule" in mirrors.base is not in this release',
      ],
    },
    {
      name: 'off loopback without TLS and without rules',
      text: 'version: 1\nserver: { listen: "0.0.0.0:5000" }\n',
      problems: [
        'entrepot.yaml:2:19  server.listen: 0.0.0.0:5000 is reachable from other machines; add server.tls, or "insecure: true" for plain HTTP',
        'entrepot.yaml:2:19  server.listen: 0.0.0.0:5000 is reachable from other machines; add access.anonymous rules that say who may what',
      ],
    },
    {
      name: 'namespaces without any',
      text: 'version: 1\nnamespaces: {}\n',
      problems: ['entrepot.yaml:2:13  namespaces is empty: no name would be served; leave it out to host every name'],
    },
    {
      name: 'listen without a port',
      text: 'version: 1\nserver: { listen: localhost }\n',
      problems: [
        'entrepot.yaml:2:19  server.listen: expected address:port, got "localhost"; for example "127.0.0.1:5000"',
      ],
    },
    {
      name: 'a destination that is nothing',
      text: 'version: 1\nnamespaces: { team: { type: hosted } }\nmirrors:\n  b: { source: quay.io/v, repositories: [a], destinations: [tem] }\n',
      problems: [
        'entrepot.yaml:4:61  mirrors.b.destinations[0]: "tem" is neither a namespace of this file nor a host (did you mean "team"?)',
      ],
    },
    {
      name: 'a source without a host',
      text: 'version: 1\nmirrors:\n  b: { source: library, repositories: [a], destinations: [localhost:5000] }\n',
      problems: [
        'entrepot.yaml:3:16  mirrors.b.source: expected host or host/namespace, got "library"; for Docker Hub write docker.io/library',
      ],
    },
    {
      name: 'platform, range and rewrite',
      text: 'version: 1\nmirrors:\n  b:\n    source: quay.io/v\n    repositories: [a]\n    tags: { semver: "newer" }\n    platforms: [linux]\n    rewrite: "{repo}"\n    destinations: [localhost:5000]\n',
      problems: [
        'entrepot.yaml:6:21  mirrors.b.tags.semver: "newer" is not a range of versions; write for example ">=1.20", "^2.1" or "1.x || >=3"',
        'entrepot.yaml:7:17  mirrors.b.platforms[0]: "linux" is not a platform; write os/architecture or os/architecture/variant, for example linux/arm64',
        'entrepot.yaml:8:14  mirrors.b.rewrite: {repo} is unknown; {path} and {name} are known',
      ],
    },
    {
      name: 'a host with a scheme and a password in a URL',
      text: 'version: 1\nregistries:\n  "https://quay.io": {}\n  quay.io: { proxyUrl: "http://u:p@proxy:3128" }\n',
      problems: [
        'entrepot.yaml:3:3  registries: "https://quay.io" is not a host; write a name without https://, such as quay.io or registry:5000',
        'entrepot.yaml:4:24  registries.quay.io.proxyUrl: a password must not stand in a URL; use credentials with passwordFile',
      ],
    },
    {
      name: 'a wrong key in credentials, and a list of none',
      text: 'version: 1\nregistries:\n  quay.io: { credentials: [] }\n  ghcr.io: { credentials: { username: a, paswordFile: b } }\n',
      problems: [
        'entrepot.yaml:3:27  registries.quay.io.credentials is empty',
        'entrepot.yaml:4:42  unknown key "paswordFile" in registries.ghcr.io.credentials (did you mean "passwordFile"?)',
      ],
    },
    {
      name: 'credentials without a secret, with two, and without a name',
      text: 'version: 1\nregistries:\n  a.io: { credentials: { username: a } }\n  b.io: { credentials: { username: a, passwordFile: b, passwordEnv: C } }\n  c.io: { credentials: { passwordFile: b } }\n',
      problems: [
        'entrepot.yaml:3:24  registries.a.io.credentials: expected one secret (passwordFile, passwordEnv, identityTokenFile, …), got none',
        'entrepot.yaml:4:24  registries.b.io.credentials: expected one secret (passwordFile, passwordEnv, identityTokenFile, …), got 2',
        'entrepot.yaml:5:24  registries.c.io.credentials.username is missing',
      ],
    },
    {
      name: 'a list of credentials: each is checked, and what is never used is said',
      text: 'version: 1\nregistries:\n  a.io:\n    credentials:\n      - { repositories: ["[x"], username: a, passwordFile: b }\n      - { username: b }\n      - { username: c, passwordEnv: C }\n      - { usrname: d }\n',
      problems: [
        'entrepot.yaml:8:11  unknown key "usrname" in registries.a.io.credentials[3] (did you mean "username"?)',
      ],
    },
    {
      name: 'a list of credentials of which one is for nothing',
      text: 'version: 1\nregistries:\n  a.io:\n    credentials:\n      - { repositories: ["{x"], username: a, passwordFile: b }\n      - { username: b }\n      - { username: c, passwordEnv: C }\n',
      problems: [
        'entrepot.yaml:6:9  registries.a.io.credentials[1]: expected one secret (passwordFile, passwordEnv, identityTokenFile, …), got none',
      ],
    },
    {
      name: 'a trusted host that is a URL',
      text: 'version: 1\nregistries:\n  a.io: { trustedHosts: [auth.internal, "https://b.io"] }\n',
      problems: [
        'entrepot.yaml:3:41  registries.a.io.trustedHosts[1]: "https://b.io" is not a host; write a name without https://, such as quay.io or registry:5000',
      ],
    },
    {
      name: 'not YAML',
      text: 'version: 1\nserver: {\n',
      problems: [
        'entrepot.yaml:3:1  not YAML: Flow map in block collection must be sufficiently indented and end with a }',
      ],
    },
    {
      name: 'a list where a map belongs',
      text: '- version: 1\n',
      problems: ['entrepot.yaml:1:1  the file: expected a map, got a list'],
    },
  ];
  for (const { name, text, problems } of cases) {
    test(name, () => expect(problemsOf(text)).toEqual(problems));
  }

  test('requireConfig throws them all, with a command', () => {
    expect(() => requireConfig(read('version: 1\nx: 1\ny: 2\n'))).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: 'the configuration has 2 errors' }),
    );
  });
});

describe('a good file', () => {
  test('defaults are filled in and paths start at the file', () => {
    const config = requireConfig(
      read('version: 1\nregistries: { quay.io: { ca: ca.pem, credentials: { username: u, passwordFile: s/p } } }\n'),
    );
    expect(config.storage.path).toBe('/srv/registry/data');
    expect(config.server.listen).toBe('127.0.0.1:5000');
    expect(config.namespaces).toBeUndefined();
    expect(config.registries['quay.io']).toMatchObject({
      ca: '/srv/registry/ca.pem',
      credentials: { username: 'u', passwordFile: '/srv/registry/s/p' },
    });
  });

  test('each value says where it came from; overrides win', () => {
    const result = readConfig({ text: 'version: 1\nlog: { level: warn }\n', file: 'a.yaml', folder: '/x' }, [
      { path: ['server', 'listen'], value: '127.0.0.1:7000', origin: '--listen' },
    ]);
    if (result.kind !== 'ok') throw new Error(result.problems.map(formatProblem).join());
    const origins = Object.fromEntries(result.entries.map(({ key, value, origin }) => [key, [value, origin]]));
    expect(origins).toMatchObject({
      version: [1, 'a.yaml:1:10'],
      'server.listen': ['127.0.0.1:7000', '--listen'],
      'log.level': ['warn', 'a.yaml:2:15'],
      'storage.path': ['/x/data', 'default'],
    });
  });

  test('a bad override is blamed on its flag', () => {
    const override = { path: ['log', 'level'], value: 'loud', origin: 'ENTREPOT_LOG_LEVEL' };
    const result = readConfig({ text: 'version: 1\n', file: 'a.yaml', folder: '/x' }, [override]);
    expect(result.problems.map(formatProblem)).toEqual([
      'ENTREPOT_LOG_LEVEL: log.level: expected debug or info or warn or error, got "loud"',
    ]);
  });
});
