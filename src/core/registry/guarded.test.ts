import { describe, expect, test } from 'bun:test';
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
import { type Check, guarded, type Question } from './guarded.ts';
import { memory } from './memory/memory.ts';

const name = repo('team/app');
const call = testCall();
const image = sampleImage('guarded');
const blob = image.config;

/** Refuses what `refuse` says, by the rule `test`; notes what it was asked. */
function checking(refuse: (question: Question) => boolean, late = false) {
  const asked: string[] = [];
  const check: Check = (question) => {
    asked.push(`${question.action} ${question.repository} ${question.reference ?? ''}`.trim());
    const decision = refuse(question)
      ? ({ allow: false, rule: 'test', reason: 'the test says so' } as const)
      : ({ allow: true } as const);
    return late ? Promise.resolve(decision) : decision;
  };
  return { check, asked };
}

describe('guarded', () => {
  for (const late of [false, true]) {
    test(`what is refused is DENIED and names the rule, ${late ? 'later' : 'at once'}`, async () => {
      const next = memory();
      await pushImage(next, name, image, { tags: ['v1'] });
      const registry = guarded(next, checking(() => true, late).check);
      await expect(registry.getManifest(name, tag('v1'), call)).rejects.toMatchObject({
        code: 'DENIED',
        message: 'pull of team/app:v1 is denied by rule "test"',
        why: 'the test says so',
        detail: { rule: 'test', reference: 'v1' },
      });
    });
  }

  test('every operation is asked for, in the words of rules', async () => {
    const { check, asked } = checking(() => false);
    const registry = guarded(memory(), check);
    const { digest } = image.descriptor;
    await pushImage(registry, name, sampleImage('guarded', { layers: 0 }), { tags: ['v1', 'v2'] });
    await registry.resolveManifest(name, tag('v1'), call);
    await registry.getManifest(name, tag('v1'), call);
    await registry.getBlob(name, blob.digest, {}, call);
    await registry.resolveBlob(name, blob.digest, call);
    await registry.tags(name, { limit: 1 }, call);
    await registry.referrers(name, digest, {}, call);
    await registry.repositories({ limit: 1 }, call);
    await (await registry.startUpload(name, {}, call)).cancel(call);
    await registry.deleteTag(name, tag('v2'), call);
    await registry.deleteBlob(name, blob.digest, call);
    expect(asked).toEqual([
      `push ${name} ${blob.digest}`,
      `push ${name} v1`,
      `push ${name} v2`,
      `pull ${name} v1`,
      `pull ${name} v1`,
      `pull ${name} ${blob.digest}`,
      `pull ${name} ${blob.digest}`,
      `list ${name}`,
      `pull ${name} ${digest}`,
      `list ${name}`,
      `push ${name}`,
      `delete ${name} v2`,
      `delete ${name} ${blob.digest}`,
    ]);
  });

  test('one refused tag refuses the push, and nothing is stored', async () => {
    const next = memory();
    const registry = guarded(next, checking(({ reference }) => reference === 'latest').check);
    await expectCode(pushManifest(registry, name, sampleIndex([]), { tags: ['v1', 'latest'] }), 'DENIED');
    await expectCode(next.tags(name, { limit: 10 }, call), 'NAME_UNKNOWN');
  });

  test('HEAD and GET are one decision', async () => {
    const next = memory();
    await pushImage(next, name, image, { tags: ['v1'] });
    for (const refused of [true, false]) {
      const registry = guarded(next, checking(() => refused).check);
      const outcomes = await Promise.allSettled([
        registry.resolveManifest(name, tag('v1'), call),
        registry.getManifest(name, tag('v1'), call),
        registry.resolveBlob(name, blob.digest, call),
        registry.getBlob(name, blob.digest, {}, call),
      ]);
      expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set([refused ? 'rejected' : 'fulfilled']));
    }
  });

  test('refused names are left out of the list, pages stay full, and `next` names none of them', async () => {
    const next = memory();
    const names = Array.from({ length: 40 }, (_, at) => `${at % 3 === 0 ? 'open' : 'secret'}/r${at + 10}`);
    for (const each of names) await pushManifest(next, each, sampleIndex([]), { tags: ['v1'] });
    const registry = guarded(next, checking(({ repository }) => repository.startsWith('secret/')).check);
    const nexts: (string | undefined)[] = [];
    const { pages, items } = await allPages(async (options) => {
      const { value } = await registry.repositories(options, call);
      nexts.push(value.next);
      return value;
    }, 4);
    expect(items as readonly string[]).toEqual(names.filter((each) => each.startsWith('open/')).sort());
    expect(pages.map(({ length }) => length)).toEqual([4, 4, 4, 2]);
    expect(nexts.filter((each) => each?.startsWith('secret/'))).toEqual([]);
  });

  test('a mount asks for the pull from its source, without saying what it holds', async () => {
    const next = memory();
    await pushImage(next, 'secret/app', image, { tags: ['v1'] });
    const registry = guarded(
      next,
      checking(({ action, repository }) => action === 'pull' && repository !== name).check,
    );
    for (const from of [repo('secret/app'), undefined]) {
      const options = { mayRead: () => true, ...(from ? { from } : {}) };
      expect((await registry.mountBlob(name, blob.digest, options, call)).kind).toBe('upload');
    }
    await expectCode(next.resolveBlob(name, blob.digest, call), 'NAME_UNKNOWN');
  });

  test('an upload is asked for again when it is opened', async () => {
    let allowed = true;
    const registry = guarded(memory(), checking(() => !allowed).check);
    const { id } = await registry.startUpload(name, {}, call);
    allowed = false;
    await expectCode(registry.openUpload(name, id, call), 'DENIED');
  });
});
