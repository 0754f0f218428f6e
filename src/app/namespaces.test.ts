import { describe, expect, test } from 'bun:test';
import { memory } from '#core/registry';
import { expectCode, pushImage, repo, sampleImage, tag, testCall } from '#core/registry/contract';
import { readConfig, requireConfig } from '#surface/config';
import { namespaced } from './namespaces.ts';

const call = testCall();
const image = sampleImage('namespaces');

function registryOf(yaml: string) {
  const config = requireConfig(readConfig({ text: `version: 1\n${yaml}`, file: 'entrepot.yaml', folder: '/srv' }));
  return namespaced(config, { store: memory(), proxies: new Map() });
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
