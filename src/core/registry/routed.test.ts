import { describe, expect, test } from 'bun:test';
import { RegistryError } from '#core/oci';
import {
  allPages,
  expectCode,
  pushImage,
  pushManifest,
  repo,
  sampleImage,
  sampleIndex,
  tag,
  testCall,
} from './contract/mod.ts';
import { memory } from './memory/memory.ts';
import { routed } from './routed.ts';
import type { Registry } from './types.ts';

const call = testCall();
const image = sampleImage('routed');

describe('routed', () => {
  const cases = [
    { name: 'team/app', by: 'team' },
    { name: 'team', by: 'team' },
    { name: 'team/deep/app', by: 'deep' },
    { name: 'team/deep', by: 'deep' },
    { name: 'team/deeper/app', by: 'team' },
    { name: 'a/b/c/d', by: 'four' },
    { name: 'teams/app', by: undefined },
    { name: 'a/b', by: undefined },
  ];
  for (const each of cases) {
    test(`${each.name} is answered by ${each.by ?? 'nobody'}`, async () => {
      const named = (by: string) => memory({ name: by });
      const members = { team: named('team'), 'team/deep': named('deep'), 'a/b/c': named('four') };
      for (const member of Object.values(members))
        await pushManifest(member, each.name, sampleIndex([]), { tags: ['v1'] });
      const answer = routed(members).getManifest(repo(each.name), tag('v1'), call);
      if (each.by === undefined) await expectCode(answer, 'NAME_UNKNOWN');
      else expect((await answer).served.by).toBe(each.by);
    });
  }

  test('an unmatched name takes no push, and has no referrers', async () => {
    const registry = routed({ team: memory() });
    await expectCode(pushManifest(registry, 'other/app', sampleIndex([])), 'NAME_UNKNOWN');
    await expectCode(registry.startUpload(repo('other/app'), {}, call), 'NAME_UNKNOWN');
    const { value } = await registry.referrers(repo('other/app'), image.descriptor.digest, {}, call);
    expect(value.items).toEqual([]);
  });

  test('the empty prefix answers for the others', async () => {
    const registry = routed({ '': memory({ name: 'rest' }), team: memory({ name: 'team' }) });
    for (const [name, by] of [
      ['other/app', 'rest'],
      ['team/app', 'team'],
    ] as const) {
      await pushManifest(registry, name, sampleIndex([]), { tags: ['v1'] });
      expect((await registry.resolveManifest(repo(name), tag('v1'), call)).served.by).toBe(by);
    }
  });

  test('lists are merged in order, each name by the registry that answers for it', async () => {
    const shared = memory();
    const hub = memory();
    for (const each of ['lib/a', 'team/b', 'team/z', 'hub/hidden'])
      await pushManifest(shared, each, sampleIndex([]), { tags: ['v1'] });
    for (const each of ['hub/a', 'hub/b', 'team/hidden'])
      await pushManifest(hub, each, sampleIndex([]), { tags: ['v1'] });
    const registry = routed({ team: shared, lib: shared, hub });
    for (const limit of [1, 2, 5, 10]) {
      const { pages, items } = await allPages(async (each) => (await registry.repositories(each, call)).value, limit);
      expect(items as readonly string[]).toEqual(['hub/a', 'hub/b', 'lib/a', 'team/b', 'team/z']);
      expect(pages.length).toBe(Math.ceil(5 / limit));
    }
  });

  test('a member that cannot list is left out and said; one that fails fails the list', async () => {
    const team = memory();
    await pushManifest(team, 'team/app', sampleIndex([]), { tags: ['v1'] });
    const failing = (code: 'UNSUPPORTED' | 'UPSTREAM_TIMEOUT'): Registry => ({
      ...memory(),
      repositories: async () => {
        throw new RegistryError(code, 'no catalog');
      },
    });
    const { value, served } = await routed({ team, hub: failing('UNSUPPORTED') }).repositories({ limit: 10 }, call);
    expect(value.items).toEqual([repo('team/app')]);
    expect(served.warnings).toEqual(['repositories under hub are not listed: no catalog']);
    await expectCode(
      routed({ team, hub: failing('UPSTREAM_TIMEOUT') }).repositories({ limit: 10 }, call),
      'UPSTREAM_TIMEOUT',
    );
  });

  test('a mount across registries begins an upload', async () => {
    const left = memory();
    const registry = routed({ left, right: memory(), also: left });
    await pushImage(registry, 'left/app', image, { tags: ['v1'] });
    const mount = (into: string) =>
      registry.mountBlob(repo(into), image.config.digest, { from: repo('left/app'), mayRead: () => true }, call);
    expect((await mount('right/app')).kind).toBe('upload');
    expect((await mount('also/app')).kind).toBe('mounted');
  });
});
