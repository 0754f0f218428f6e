import { describe, expect, test } from 'bun:test';
import { readConfig, requireConfig } from '#surface/config';
import { SNIPPET_CLIENTS, snippetFor } from './snippet.ts';

const NAMESPACES = `namespaces:
  team: { type: hosted }
  hub: { type: proxy, upstream: docker.io, hosts: [hub.example.com] }
  vendor: { type: proxy, upstream: "registry.vendor.test:5001/images" }
`;
const PUBLIC = 'server: { listen: "0.0.0.0:443", url: "https://registry.example.com", tls: { cert: a, key: b } }\n';
const OPEN = 'access: { anonymous: [{ repositories: ["hub/**", "vendor/**"], actions: [pull] }] }\n';
const CLOSED = 'access: { anonymous: [{ repositories: ["hub/library/*"], actions: [pull] }] }\n';

const configOf = (text: string) =>
  requireConfig(readConfig({ text: `version: 1\n${text}`, file: 'e.yaml', folder: '/srv' }));
const snippet = (client: string, text: string, namespace?: string) => snippetFor(client, configOf(text), namespace);
const fileOf = (client: string, text: string, path: string) =>
  snippet(client, text).files.find((file) => file.path === path)?.text ?? '';

describe('containerd', () => {
  test('a folder for each registry and one for all others', () => {
    expect(snippet('containerd', PUBLIC + OPEN + NAMESPACES).files.map(({ path }) => path)).toEqual([
      '/etc/containerd/config.toml',
      '/etc/containerd/certs.d/docker.io/hosts.toml',
      '/etc/containerd/certs.d/registry.vendor.test_5001_/hosts.toml',
      '/etc/containerd/certs.d/_default/hosts.toml',
    ]);
  });
  test('of one namespace: its registry alone', () => {
    const { files } = snippet('containerd', PUBLIC + OPEN + NAMESPACES, 'vendor');
    expect(files.map(({ path }) => path)).toEqual([
      '/etc/containerd/config.toml',
      '/etc/containerd/certs.d/registry.vendor.test_5001_/hosts.toml',
    ]);
  });
  test('this registry is the only server, with a way round it to be chosen', () => {
    const text = fileOf('containerd', PUBLIC + OPEN + NAMESPACES, '/etc/containerd/certs.d/docker.io/hosts.toml');
    const parsed = Bun.TOML.parse(text);
    expect(parsed).toEqual({ server: 'https://registry.example.com', capabilities: ['pull', 'resolve'], host: {} });
    expect(text).toContain('# server = "https://registry-1.docker.io"\n# [host."https://registry.example.com"]\n');
  });
  test('of a registry of which only some is read, the rest stays reachable', () => {
    const path = '/etc/containerd/certs.d/registry.vendor.test_5001_/hosts.toml';
    const text = fileOf('containerd', PUBLIC + OPEN + NAMESPACES, path);
    expect(Bun.TOML.parse(text)).toEqual({
      server: 'https://registry.vendor.test:5001',
      host: { 'https://registry.example.com': { capabilities: ['pull', 'resolve'] } },
    });
    expect(text).toStartWith('# Only registry.vendor.test:5001/images is read here;');
  });
  test('each file is TOML', () => {
    for (const { text } of snippet('containerd', PUBLIC + OPEN + NAMESPACES).files) Bun.TOML.parse(text);
  });
});

describe('podman', () => {
  const path = '/etc/containers/registries.conf.d/50-entrepot.conf';
  test('names become names of this registry', () => {
    expect(Bun.TOML.parse(fileOf('podman', PUBLIC + OPEN + NAMESPACES, path))).toEqual({
      registry: [
        { prefix: 'docker.io', location: 'registry.example.com/hub' },
        { prefix: 'registry.vendor.test:5001/images', location: 'registry.example.com/vendor' },
      ],
    });
  });
  test('plain HTTP is said', () => {
    expect(Bun.TOML.parse(fileOf('podman', NAMESPACES, path))).toMatchObject({
      registry: [{ location: '127.0.0.1:5000/hub', insecure: true }, { insecure: true }],
    });
  });
});

describe('docker', () => {
  const mirrorsIn = (text: string) => JSON.parse(fileOf('docker', text, '/etc/docker/daemon.json'));
  const cases = [
    { name: 'over TLS', text: PUBLIC + OPEN, url: 'https://hub.example.com' },
    { name: 'on another port', text: OPEN, url: 'http://hub.example.com:5000' },
  ];
  for (const { name, text, url } of cases) {
    test(name, () => expect(mirrorsIn(text + NAMESPACES)).toEqual({ 'registry-mirrors': [url] }));
  }
  test('the host must be found, and be in the certificate', () => {
    const noteOf = (text: string) =>
      snippet('docker', text + NAMESPACES).notes.find((note) => note.includes('has to lead'));
    expect([noteOf(''), noteOf(PUBLIC + OPEN)]).toEqual([
      'hub.example.com has to lead to this server.',
      'hub.example.com has to lead to this server, and to stand in its certificate.',
    ]);
  });
  test('a namespace without a host of its own is told so', () => {
    expect(() => snippet('docker', 'namespaces: { hub: { type: proxy, upstream: docker.io } }\n')).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: 'the namespace hub has no host of its own' }),
    );
  });
  test('without Docker Hub there is nothing to mirror', () => {
    expect(() => snippet('docker', 'namespaces: { q: { type: proxy, upstream: quay.io } }\n')).toThrow(
      'there is no proxy namespace of Docker Hub',
    );
  });
});

describe('k8s', () => {
  test('manifests with names of this registry', () => {
    expect(Bun.YAML.parse(fileOf('k8s', PUBLIC + OPEN + NAMESPACES, 'kustomization.yaml'))).toEqual({
      images: [
        { name: 'redis', newName: 'registry.example.com/hub/library/redis' },
        { name: 'registry.vendor.test:5001/images/app', newName: 'registry.example.com/vendor/app' },
      ],
    });
  });
});

describe('each says how credentials reach the mirror', () => {
  for (const client of SNIPPET_CLIENTS) {
    test(`${client}: none are needed`, () => {
      expect(snippet(client, PUBLIC + OPEN + NAMESPACES).notes.join('\n')).toContain('Credentials: none.');
    });
    test(`${client}: some are`, () => {
      const { notes } = snippet(client, PUBLIC + CLOSED + NAMESPACES);
      expect(notes.filter((note) => note.startsWith('Credentials: access.anonymous does not open'))).toHaveLength(1);
    });
  }
});

describe('refused', () => {
  const cases = [
    { name: 'a client that nobody knows', client: 'nerdctl', text: NAMESPACES, code: 'USAGE' },
    { name: 'a namespace that is no proxy', client: 'podman', text: NAMESPACES, namespace: 'team', code: 'USAGE' },
    {
      name: 'no proxy at all',
      client: 'podman',
      text: 'namespaces: { team: { type: hosted } }\n',
      code: 'CONFIG_INVALID',
    },
    {
      name: 'an address that nobody can be told',
      client: 'podman',
      text: `server: { listen: ":5000", insecure: true }\n${OPEN}${NAMESPACES}`,
      code: 'CONFIG_INVALID',
    },
  ];
  for (const { name, client, text, namespace, code } of cases) {
    test(name, () => {
      expect(() => snippet(client, text, namespace)).toThrow(expect.objectContaining({ code }));
    });
  }
});
