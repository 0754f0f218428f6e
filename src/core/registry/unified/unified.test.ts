import { describe, expect, test } from 'bun:test';
import { isDigest, RegistryError } from '#core/oci';
import {
  allPages,
  expectCode,
  pushImage,
  pushManifest,
  registryContract,
  repo,
  sampleImage,
  sampleIndex,
  tag,
  testCall,
} from '../contract/mod.ts';
import { memory } from '../memory/memory.ts';
import { around } from '../operation.ts';
import { readOnly } from '../read-only.ts';
import type { Registry } from '../types.ts';
import type { Member } from './types.ts';
import { unified } from './unified.ts';

const call = testCall({ purpose: 'pull' });
const first = sampleImage('first');
const second = sampleImage('second');

const member = (namespace: string, registry: Registry, more: Partial<Member> = {}): Member => ({
  namespace,
  registry,
  allow: [],
  deny: [],
  whenDown: 'fail',
  ...more,
});

registryContract('unified, the push target last, over one store', () => {
  const store = memory();
  const members = [member('hub', readOnly(store)), member('own', store)];
  return { registry: unified({ namespace: '', members, push: 'own' }) };
});

/** A registry that answers nothing but this, and counts. */
function failing(code: 'UPSTREAM_UNAVAILABLE' | 'TOOMANYREQUESTS' | 'DENIED'): Registry {
  return around(memory(), () => Promise.reject(new RegistryError(code, `member says ${code}`, { retryAfterMs: 5000 })));
}

function counting(next: Registry): { registry: Registry; asked: string[] } {
  const asked: string[] = [];
  const registry = around(next, (operation, proceed) => {
    const { name, repository, reference = '' } = operation;
    asked.push(`${name} ${repository} ${isDigest(reference as never) ? 'digest' : reference}`.trim());
    return proceed();
  });
  return { registry, asked };
}

describe('a member for which several names are one', () => {
  const store = memory();
  /** As a proxy of Docker Hub has it: `evil` is `library/evil`. */
  const meanings = (below: string) => [below.includes('/') ? below : `library/${below}`];
  const hub = around(store, async (operation, proceed) => {
    if (operation.repository === 'hub/library/evil' || operation.repository === 'hub/evil') {
      throw new RegistryError('INTERNAL', 'it was asked');
    }
    return await proceed();
  });

  for (const { name, rules } of [
    { name: 'denied by its one name', rules: { deny: ['library/evil'] } },
    { name: 'not allowed by its one name', rules: { allow: ['library/redis'] } },
    { name: 'allowed by what is not its name', rules: { allow: ['evil'] } },
  ]) {
    test(`${name}, it is shown by none`, async () => {
      const registry = unified({ namespace: 'all', members: [member('hub', hub, { ...rules, meanings })] });
      for (const alias of ['all/evil', 'all/library/evil']) {
        await expectCode(registry.getManifest(repo(alias), tag('v1'), call), 'NAME_UNKNOWN');
        await expectCode(registry.getBlob(repo(alias), first.config.digest, {}, call), 'NAME_UNKNOWN');
        await expectCode(registry.tags(repo(alias), { limit: 1 }, call), 'NAME_UNKNOWN');
      }
    });
  }

  test('allowed by its one name, it is shown by each', async () => {
    await pushImage(store, 'hub/redis', first, { tags: ['v1'] });
    const members = [member('hub', hub, { allow: ['library/redis'], meanings })];
    const registry = unified({ namespace: 'all', members });
    const { value } = await registry.resolveManifest(repo('all/redis'), tag('v1'), call);
    expect(value.digest).toBe(first.descriptor.digest);
  });

  test('where a name may mean several, each must be allowed and none denied', async () => {
    await pushImage(store, 'inner/redis', first, { tags: ['v1'] });
    const both = (below: string) => [below, `library/${below}`];
    const shown = (rules: Partial<Member>) =>
      unified({ namespace: 'all', members: [member('inner', store, { ...rules, meanings: both })] });
    const read = (rules: Partial<Member>) => shown(rules).resolveManifest(repo('all/redis'), tag('v1'), call);
    await expectCode(read({ allow: ['redis'] }), 'NAME_UNKNOWN');
    await expectCode(read({ deny: ['library/*'] }), 'NAME_UNKNOWN');
    await read({ allow: ['redis', 'library/redis'] });
  });
});

describe('who answers', () => {
  test('the first member that has the tag', async () => {
    const [team, hub] = [memory({ name: 'team' }), memory({ name: 'hub' })];
    await pushImage(hub, 'hub/app', first, { tags: ['v1', 'v2'] });
    await pushImage(team, 'team/app', second, { tags: ['v1'] });
    const all = unified({ namespace: 'all', members: [member('team', team), member('hub', hub)] });
    expect((await all.getManifest(repo('all/app'), tag('v1'), call)).served.by).toBe('team');
    expect((await all.resolveManifest(repo('all/app'), tag('v2'), call)).served.by).toBe('hub');
    await expectCode(all.getManifest(repo('all/app'), tag('v3'), call), 'MANIFEST_UNKNOWN');
    await expectCode(all.getManifest(repo('elsewhere/app'), tag('v1'), call), 'NAME_UNKNOWN');
  });

  test('the blobs of an image come from who gave its manifest', async () => {
    const [team, hub] = [counting(memory({ name: 'team' })), counting(memory({ name: 'hub' }))];
    await pushImage(hub.registry, 'hub/app', first, { tags: ['v1'] });
    const all = unified({ namespace: 'all', members: [member('team', team.registry), member('hub', hub.registry)] });
    await all.getManifest(repo('all/app'), tag('v1'), call);
    team.asked.length = 0;
    for (const { digest } of first.blobs) {
      expect((await all.getBlob(repo('all/app'), digest, {}, call)).served.by).toBe('hub');
    }
    expect((await all.getManifest(repo('all/app'), first.descriptor.digest, call)).served.by).toBe('hub');
    expect(team.asked).toEqual([]);
  });

  test('of one that was not asked for by manifest, the members in their order', async () => {
    const team = counting(memory({ name: 'team' }));
    const hub = memory({ name: 'hub' });
    await pushImage(hub, 'hub/app', first, { tags: ['v1'] });
    const all = unified({ namespace: 'all', members: [member('team', team.registry), member('hub', hub)] });
    await all.resolveBlob(repo('all/app'), first.config.digest, call);
    await all.resolveBlob(repo('all/app'), first.config.digest, call);
    expect(team.asked).toEqual(['resolveBlob team/app digest']);
  });

  test('allow and deny of a member, by the name below it', async () => {
    const hub = memory();
    for (const name of ['hub/library/redis', 'hub/library/evil', 'hub/other/app'])
      await pushImage(hub, name, first, { tags: ['v1'] });
    const rules = { allow: ['library/*'], deny: ['library/evil'] };
    const all = unified({ namespace: 'all', members: [member('hub', hub, rules)], push: 'hub' });
    await all.getManifest(repo('all/library/redis'), tag('v1'), call);
    for (const name of ['all/library/evil', 'all/other/app']) {
      await expectCode(all.getManifest(repo(name), tag('v1'), call), 'NAME_UNKNOWN');
      await expectCode(all.tags(repo(name), { limit: 5 }, call), 'NAME_UNKNOWN');
      await expectCode(all.startUpload(repo(name), {}, call), 'DENIED');
    }
    const { value } = await all.repositories({ limit: 10 }, call);
    expect(value.items as readonly string[]).toEqual(['all/library/redis']);
  });
});

describe('a member is down', () => {
  const cases = [
    {
      name: 'fail: an outage is the answer',
      whenDown: 'fail',
      code: 'UPSTREAM_UNAVAILABLE',
      has: true,
      answer: 'down',
    },
    { name: 'skip: the next one answers', whenDown: 'skip', code: 'UPSTREAM_UNAVAILABLE', has: true, answer: 'hub' },
    { name: 'skip: a limit too', whenDown: 'skip', code: 'TOOMANYREQUESTS', has: true, answer: 'hub' },
    {
      name: 'skip, and nobody has it: the outage, not "no such"',
      whenDown: 'skip',
      code: 'TOOMANYREQUESTS',
      has: false,
      answer: 'down',
    },
    {
      name: 'a rule of the member lets the next one answer',
      whenDown: 'fail',
      code: 'DENIED',
      has: true,
      answer: 'hub',
    },
    {
      name: 'a rule of the member, and nobody has it: the rule',
      whenDown: 'fail',
      code: 'DENIED',
      has: false,
      answer: 'down',
    },
  ] as const;
  for (const { name, whenDown, code, has, answer } of cases) {
    test(name, async () => {
      const hub = memory({ name: 'hub' });
      if (has) await pushImage(hub, 'hub/app', first, { tags: ['v1'] });
      const members = [member('team', failing(code), { whenDown }), member('hub', hub)];
      const all = unified({ namespace: 'all', members });
      const asking = [
        all.getManifest(repo('all/app'), tag('v1'), call),
        all.resolveManifest(repo('all/app'), tag('v1'), call),
        all.getBlob(repo('all/app'), first.config.digest, {}, call),
        all.resolveBlob(repo('all/app'), first.config.digest, call),
      ];
      for (const each of asking) {
        if (answer === 'down') await expectCode(each, code);
        else expect((await each).served.by).toBe('hub');
      }
    });
  }

  test('lists leave it out and say so, or fail', async () => {
    const hub = memory();
    await pushImage(hub, 'hub/app', first, { tags: ['v1'] });
    const make = (whenDown: 'skip' | 'fail') =>
      unified({
        namespace: 'all',
        members: [member('team', failing('UPSTREAM_UNAVAILABLE'), { whenDown }), member('hub', hub)],
      });
    const { value, served } = await make('skip').tags(repo('all/app'), { limit: 5 }, call);
    expect(value.items as readonly string[]).toEqual(['v1']);
    expect(served.warnings.join()).toContain('what team has is not listed');
    await expectCode(make('fail').tags(repo('all/app'), { limit: 5 }, call), 'UPSTREAM_UNAVAILABLE');
    await expectCode(make('fail').repositories({ limit: 5 }, call), 'UPSTREAM_UNAVAILABLE');
  });
});

describe('lists', () => {
  test('tags of all members, each once, by pages of any length', async () => {
    const [team, hub] = [memory(), memory()];
    await pushManifest(team, 'team/app', sampleIndex([]), { tags: ['a', 'c', 'e', 'g'] });
    await pushManifest(hub, 'hub/app', sampleIndex([]), { tags: ['b', 'c', 'd', 'z'] });
    const all = unified({ namespace: 'all', members: [member('team', team), member('hub', hub)] });
    for (const limit of [1, 2, 3, 4, 7, 20]) {
      const { items } = await allPages(async (each) => (await all.tags(repo('all/app'), each, call)).value, limit);
      expect(items as readonly string[]).toEqual(['a', 'b', 'c', 'd', 'e', 'g', 'z']);
    }
    await expectCode(all.tags(repo('all/none'), { limit: 5 }, call), 'NAME_UNKNOWN');
  });

  test('repositories of all members under the virtual name, out of one shared store', async () => {
    const store = memory();
    for (const name of ['hub-x/app', 'hub/a', 'hub/lib/b', 'team/a', 'team/c', 'zoo/d'])
      await pushManifest(store, name, sampleIndex([]), { tags: ['v1'] });
    const all = unified({ namespace: 'all', members: [member('team', store), member('hub', store)] });
    for (const limit of [1, 2, 3, 10]) {
      const { items } = await allPages(async (each) => (await all.repositories(each, call)).value, limit);
      expect(items as readonly string[]).toEqual(['all/a', 'all/c', 'all/lib/b']);
    }
    const behind = await all.repositories({ after: 'beyond/x', limit: 10 }, call);
    expect(behind.value.items).toEqual([]);
  });

  test('referrers of all members, each once', async () => {
    const [team, hub] = [memory(), memory()];
    const subject = first.descriptor;
    const sign = (seed: string) => sampleImage(seed, { subject, layers: 1, artifactType: `application/${seed}` });
    for (const [registry, name, seeds] of [
      [team, 'team/app', ['one', 'both']],
      [hub, 'hub/app', ['two', 'both']],
    ] as const) {
      for (const seed of seeds) await pushImage(registry, name, sign(seed));
    }
    const all = unified({ namespace: 'all', members: [member('team', team), member('hub', hub)] });
    const { value } = await all.referrers(repo('all/app'), subject.digest, {}, call);
    const digests = value.items.map(({ digest }) => digest).sort();
    expect(digests).toEqual(['one', 'two', 'both'].map((seed) => sign(seed).descriptor.digest).sort());
  });
});

describe('pushes', () => {
  test('without a target they are refused, with what to do', async () => {
    const all = unified({ namespace: 'all', members: [member('team', memory())] });
    await expectCode(pushImage(all, 'all/app', first), 'DENIED');
    const refusal = await all.deleteTag(repo('all/app'), tag('v1'), call).catch((thrown: unknown) => thrown);
    expect(refusal).toMatchObject({ code: 'DENIED', hint: expect.stringContaining('namespaces.all.push') });
  });

  test('land at the target by its own name', async () => {
    const team = memory();
    const all = unified({ namespace: 'all', members: [member('hub', memory()), member('team', team)], push: 'team' });
    await pushImage(all, 'all/deep/app', first, { tags: ['v1'] });
    expect((await team.getManifest(repo('team/deep/app'), tag('v1'), call)).value.bytes).toEqual(first.bytes);
  });

  test('a mount is from a repository by its virtual name, if that may be read', async () => {
    const team = memory();
    const all = unified({ namespace: 'all', members: [member('team', team)], push: 'team' });
    await pushImage(all, 'all/source', first);
    const mount = (from: string, mayRead: (name: string) => boolean) =>
      all.mountBlob(repo('all/target'), first.config.digest, { from: repo(from), mayRead }, call);
    expect((await mount('all/source', (name) => name === 'all/source')).kind).toBe('mounted');
    const other = (from: string, mayRead: (name: string) => boolean) =>
      all.mountBlob(repo('all/second'), first.config.digest, { from: repo(from), mayRead }, call);
    expect((await other('all/source', () => false)).kind).toBe('upload');
  });

  test('a target that is no member is a mistake of whoever wires', () => {
    expect(() => unified({ namespace: 'all', members: [], push: 'team' })).toThrow(RangeError);
  });
});
