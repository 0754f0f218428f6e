import { describe, expect, test } from 'bun:test';
import { memory, nameUnknown } from '#core/registry';
import { expectCode, pushImage, repo, sampleImage, tag, testCall } from '#core/registry/contract';
import type { Proxy as ProxyRegistry } from '#registries/proxy';
import { readConfig, requireConfig } from '#surface/config';
import { canonicalBy, namespaced, proxyFinder } from './namespaces.ts';

const call = testCall();
const image = sampleImage('namespaces');

function registryOf(yaml: string) {
  const config = requireConfig(readConfig({ text: `version: 1\n${yaml}`, file: 'entrepot.yaml', folder: '/srv' }));
  return namespaced(config, { store: memory(), proxies: new Map(), canonical: (name) => name });
}

describe('namespaces', () => {
  test('without any, every name is hosted', async () => {
    const registry = registryOf('');
    await pushImage(registry, 'any/name', image, { tags: ['1.0.0'] });
    await registry.getManifest(repo('any/name'), tag('1.0.0'), call);
  });

  const nested = `namespaces:
  team: { type: hosted }
  team/frozen: { type: hosted, immutableTags: [semver] }
  all: { type: virtual, members: [team], push: team }
`;

  test('a name that none covers is unknown', async () => {
    await expectCode(registryOf(nested).getManifest(repo('other/app'), tag('v1'), call), 'NAME_UNKNOWN');
  });

  test('a virtual namespace shows its members, and takes pushes for one', async () => {
    const registry = registryOf(nested);
    await pushImage(registry, 'all/app', image, { tags: ['v1'] });
    const { value } = await registry.getManifest(repo('team/app'), tag('v1'), call);
    expect(value.descriptor.digest).toBe(image.descriptor.digest);
  });

  test('a virtual namespace may be a member of another, in whatever order they stand', async () => {
    const registry = registryOf(`namespaces:
  everything: { type: virtual, members: [all] }
  all: { type: virtual, members: [team], push: team }
  team: { type: hosted }
`);
    await pushImage(registry, 'team/app', image, { tags: ['v1'] });
    await registry.getManifest(repo('everything/app'), tag('v1'), call);
  });

  test('what lies below a member under rules of its own keeps them', async () => {
    const registry = registryOf(nested);
    await pushImage(registry, 'all/frozen/app', image, { tags: ['1.0.0'] });
    await expectCode(pushImage(registry, 'all/frozen/app', sampleImage('other'), { tags: ['1.0.0'] }), 'TAG_IMMUTABLE');
    await registry.getManifest(repo('all/frozen/app'), tag('1.0.0'), call);
  });
});

describe('names that stand for one another', () => {
  const yaml = `namespaces:
  hub: { type: proxy, upstream: docker.io }
  hub/ours: { type: hosted }
  team: { type: hosted }
  all: { type: virtual, members: [team, { namespace: hub, deny: ["library/evil"] }] }
  some: { type: virtual, members: [{ namespace: hub, allow: ["library/redis"] }] }
  inner: { type: virtual, members: [team, hub] }
  outer: { type: virtual, members: [{ namespace: inner, deny: ["library/evil"] }] }
`;
  const config = requireConfig(readConfig({ text: `version: 1\n${yaml}`, file: 'entrepot.yaml', folder: '/srv' }));
  /** As a proxy of Docker Hub names its repositories; the rest of one is not looked at. */
  const canonicalName: ProxyRegistry['canonicalName'] = (name) => {
    const [, ...rest] = name.split('/');
    if (rest.length === 0) throw nameUnknown(name);
    return rest.length === 1 ? repo(`hub/library/${rest[0]}`) : name;
  };
  const proxyOf = proxyFinder(config, new Map([['hub', { canonicalName } as ProxyRegistry]]));
  const canonical = canonicalBy(proxyOf);

  const names = [
    { name: 'a short one', asked: 'hub/redis', expected: 'hub/library/redis' },
    { name: 'a full one', asked: 'hub/acme/tool', expected: 'hub/acme/tool' },
    { name: 'one of a namespace below', asked: 'hub/ours/tool', expected: 'hub/ours/tool' },
    { name: 'a namespace below itself', asked: 'hub/ours', expected: 'hub/ours' },
    { name: 'the namespace itself, which is no repository', asked: 'hub', expected: 'hub' },
    { name: 'one of another', asked: 'team/redis', expected: 'team/redis' },
  ];
  test.each(names)('$name', ({ asked, expected }) => {
    expect<string>(canonical(repo(asked))).toBe(expected);
  });

  test('a virtual namespace judges them by the one name', async () => {
    const hub = memory();
    for (const name of ['hub/evil', 'hub/library/evil', 'hub/redis'])
      await pushImage(hub, name, image, { tags: ['v1'] });
    const registry = namespaced(config, { store: memory(), proxies: new Map([['hub', hub]]), canonical });
    const read = (name: string) => registry.resolveManifest(repo(name), tag('v1'), call);
    for (const denied of ['all/evil', 'all/library/evil', 'some/evil', 'outer/evil', 'outer/library/evil']) {
      await expectCode(read(denied), 'NAME_UNKNOWN');
    }
    for (const shown of ['all/redis', 'some/redis', 'outer/redis', 'inner/evil']) await read(shown);
  });
});
