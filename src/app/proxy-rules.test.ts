import { expect, test } from 'bun:test';
import { parseRepository, parseTag } from '#core/oci';
import { type ProxyConfig, readConfig, requireConfig } from '#surface/config';
import { pinnedBy, proxyRules } from './proxy-rules.ts';

function proxyOf(yaml: string): ProxyConfig {
  const text = `version: 1\nnamespaces: { hub: { type: proxy, upstream: docker.io, ${yaml} } }\n`;
  const entry = requireConfig(readConfig({ text, file: 'e.yaml', folder: '/srv' })).namespaces?.hub;
  if (entry?.type !== 'proxy') throw new Error('no proxy');
  return entry;
}

test('durations become milliseconds, patterns and platforms what the wrapper reads', () => {
  const rules = proxyRules(
    proxyOf(
      'freshFor: 2m, offline: true, deny: [library/evil], platforms: [linux/arm64], whenDeleted: forget, freshness: [{ tags: semver, immutable: true }, { tags: [latest, edge], staleIfError: 1h, offline: false }]',
    ),
  );
  expect(rules).toEqual({
    freshness: {
      freshForMs: 120_000,
      staleWhileRevalidateMs: 0,
      staleIfErrorMs: 30 * 86_400_000,
      negativeForMs: 60_000,
      immutable: false,
      offline: true,
    },
    byTag: [
      { tags: ['semver'], immutable: true },
      { tags: ['latest', 'edge'], staleIfErrorMs: 3_600_000, offline: false },
    ],
    allow: [],
    deny: ['library/evil'],
    neverUpstream: [],
    platforms: [{ os: 'linux', architecture: 'arm64' }],
    whenDeleted: 'forget',
  });
});

test('what is kept whatever the room: names below the namespace, with their tags', () => {
  const isPinned = pinnedBy('hub', proxyOf('keep: ["library/redis:7*", "vendor/**"]'));
  const names = ['hub/library/redis:7.2', 'hub/library/redis:6', 'hub/vendor/a/b:x', 'library/redis:7'];
  const pinned = names.filter((name) => {
    const [repository = '', tag = ''] = name.split(':');
    return isPinned(parseRepository(repository), parseTag(tag));
  });
  expect(pinned).toEqual(['hub/library/redis:7.2', 'hub/vendor/a/b:x']);
  // What was pulled by digest has no tag.
  const untagged = ['hub/library/redis', 'hub/vendor/a/b'];
  expect(untagged.filter((name) => isPinned(parseRepository(name), undefined))).toEqual(['hub/vendor/a/b']);
});
