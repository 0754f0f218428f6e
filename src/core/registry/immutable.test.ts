import { describe, expect, test } from 'bun:test';
import { AppError } from '#core/std';
import { expectCode, pushManifest, repo, sampleIndex, tag, testCall } from './contract/mod.ts';
import { immutable } from './immutable.ts';
import { memory } from './memory/memory.ts';
import type { Registry } from './types.ts';

const name = repo('team/app');
const call = testCall();
const manifest = (seed: string) => sampleIndex([], { annotations: { seed } });
const [first, second] = [manifest('first'), manifest('second')];

describe('immutable', () => {
  const cases = [
    { name: 'an exact name', rules: ['stable'], fixed: 'stable', free: 'stable2' },
    { name: 'a glob', rules: ['release-*'], fixed: 'release-1', free: 'prerelease-1' },
    { name: 'any version', rules: ['semver'], fixed: 'v1.2.3', free: '1.2' },
    { name: 'a range', rules: ['semver:>=1'], fixed: '1.2.3', free: '0.9.0' },
    { name: 'the second of two rules', rules: ['x', 'y*'], fixed: 'yes', free: 'no' },
  ];
  for (const { name: title, rules, fixed, free } of cases) {
    test(`fixes ${title}, and the error names the rule`, async () => {
      const registry = immutable(memory(), rules);
      await pushManifest(registry, name, first, { tags: [fixed, free] });
      await pushManifest(registry, name, second, { tags: [free] });
      await expect(pushManifest(registry, name, second, { tags: [fixed] })).rejects.toMatchObject({
        code: 'TAG_IMMUTABLE',
        message: `${name}:${fixed} is immutable by rule "${rules.at(-1)}"`,
        detail: { rule: rules.at(-1), tag: tag(fixed), digest: first.descriptor.digest },
      });
      expect((await registry.resolveManifest(name, tag(fixed), call)).value.digest).toBe(first.descriptor.digest);
    });
  }

  test('the same manifest may be pushed again', async () => {
    const registry = immutable(memory(), ['v1']);
    for (const _ of [1, 2]) await pushManifest(registry, name, first, { tags: ['v1'] });
    expect((await registry.tags(name, { limit: 10 }, call)).value.items).toEqual([tag('v1')]);
  });

  test('one fixed tag of several refuses them all', async () => {
    const registry = immutable(memory(), ['v1']);
    await pushManifest(registry, name, first, { tags: ['v1', 'latest'] });
    await expectCode(pushManifest(registry, name, second, { tags: ['latest', 'v1', 'new'] }), 'TAG_IMMUTABLE');
    expect((await registry.resolveManifest(name, tag('latest'), call)).value.digest).toBe(first.descriptor.digest);
    await expectCode(registry.resolveManifest(name, tag('new'), call), 'MANIFEST_UNKNOWN');
  });

  for (const bulk of [true, false]) {
    test(`neither the tag nor its manifest is deleted, ${bulk ? 'with' : 'without'} a bulk listing`, async () => {
      const next: Registry = { ...memory(), ...(bulk ? {} : { extras: {} }) };
      const registry = immutable(next, ['v1']);
      await pushManifest(registry, name, first, { tags: ['latest', 'v1'] });
      await pushManifest(registry, name, second, { tags: ['other'] });
      await expectCode(registry.deleteTag(name, tag('v1'), call), 'TAG_IMMUTABLE');
      await expectCode(registry.deleteManifest(name, first.descriptor.digest, call), 'TAG_IMMUTABLE');
      await registry.deleteTag(name, tag('latest'), call);
      await registry.deleteManifest(name, second.descriptor.digest, call);
      expect((await registry.tags(name, { limit: 10 }, call)).value.items).toEqual([tag('v1')]);
    });
  }

  test('a fixed tag that is not there is unknown, not immutable', async () => {
    const registry = immutable(memory(), ['v*']);
    await pushManifest(registry, name, first, { tags: ['v1'] });
    await expectCode(registry.deleteTag(name, tag('v2'), call), 'MANIFEST_UNKNOWN');
  });

  test('of pushes at once one wins, whoever is asked', async () => {
    const next = memory();
    // A store whose answers take a while, so that all pushes look before any writes.
    const slow: Registry = {
      ...next,
      async resolveManifest(...question) {
        await Bun.sleep(1);
        return await next.resolveManifest(...question);
      },
    };
    const registry = immutable(slow, ['v1']);
    const manifests = Array.from({ length: 8 }, (_, at) => manifest(`racer ${at}`));
    const outcomes = await Promise.allSettled(
      manifests.map((each) => pushManifest(registry, name, each, { tags: ['v1'] })),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const { value } = await registry.resolveManifest(name, tag('v1'), call);
    const winner = outcomes.findIndex(({ status }) => status === 'fulfilled');
    expect(value.digest).toBe(manifests[winner]?.descriptor.digest as never);
  });

  test('a push and the deletion of its manifest take turns', async () => {
    const registry = immutable(memory(), ['v1']);
    await pushManifest(registry, name, first);
    const [put, remove] = await Promise.allSettled([
      pushManifest(registry, name, first, { tags: ['v1'] }),
      registry.deleteManifest(name, first.descriptor.digest, call),
    ]);
    expect([put.status, remove.status]).toEqual(['fulfilled', 'rejected']);
    expect((await registry.getManifest(name, tag('v1'), call)).value.bytes).toEqual(first.bytes);
  });

  test('an error of the registry behind is not taken for "no such tag"', async () => {
    const next = memory();
    const broken: Registry = { ...next, resolveManifest: () => Promise.reject(new Error('the disk is on fire')) };
    await expect(pushManifest(immutable(broken, ['v1']), name, first, { tags: ['v1'] })).rejects.toThrow('on fire');
    await expectCode(next.tags(name, { limit: 1 }, call), 'NAME_UNKNOWN');
  });

  test('a rule that is none is refused when it is made', () => {
    expect(() => immutable(memory(), ['semver:banana'])).toThrow(AppError);
  });
});
