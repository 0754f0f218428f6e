import { describe, expect, test } from 'bun:test';
import { compileGlob, tagMatcher } from '#core/std';
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
import { select } from './select.ts';

const call = testCall();
const image = sampleImage('selected');
const [shown, hidden] = [repo('team/app'), repo('secret/app')];

async function prepared() {
  const next = memory();
  for (const name of [shown, hidden]) await pushImage(next, name, image, { tags: ['1.0.0', '1.1.0', 'latest'] });
  return { next, registry: select(next, { repositories: compileGlob('team/*'), tags: tagMatcher('semver') }) };
}

describe('select', () => {
  test('shows what is selected, in lists too', async () => {
    const { registry } = await prepared();
    expect((await registry.getManifest(shown, tag('1.0.0'), call)).value.bytes).toEqual(image.bytes);
    expect((await registry.repositories({ limit: 10 }, call)).value.items).toEqual([shown]);
    const list = await allPages(async (each) => (await registry.tags(shown, each, call)).value, 1);
    expect(list.pages).toEqual([[tag('1.0.0')], [tag('1.1.0')]]);
    const digests = await registry.extras.tagDigests?.(shown, { limit: 10 }, call);
    expect(digests?.items.map((each) => each.tag)).toEqual(['1.0.0', '1.1.0'].map(tag));
  });

  test('the rest is unknown to readers', async () => {
    const { registry } = await prepared();
    await expectCode(registry.getManifest(shown, tag('latest'), call), 'MANIFEST_UNKNOWN');
    await expectCode(registry.getManifest(hidden, tag('1.0.0'), call), 'NAME_UNKNOWN');
    await expectCode(registry.getBlob(hidden, image.config.digest, {}, call), 'NAME_UNKNOWN');
    await expectCode(registry.tags(hidden, { limit: 1 }, call), 'NAME_UNKNOWN');
    expect((await registry.referrers(hidden, image.descriptor.digest, {}, call)).value.items).toEqual([]);
  });

  test('and DENIED to writers', async () => {
    const { registry, next } = await prepared();
    await expectCode(pushManifest(registry, shown, sampleIndex([]), { tags: ['2.0.0', 'latest'] }), 'DENIED');
    await expectCode(pushManifest(registry, hidden, sampleIndex([]), { tags: ['2.0.0'] }), 'DENIED');
    await expectCode(registry.deleteTag(shown, tag('latest'), call), 'DENIED');
    expect((await next.resolveManifest(shown, tag('latest'), call)).value.digest).toBe(image.descriptor.digest);
  });

  test('nothing is mounted from what is not selected', async () => {
    const { registry } = await prepared();
    for (const from of [hidden, shown]) {
      const into = repo('team/new');
      const answer = await registry.mountBlob(into, image.config.digest, { from, mayRead: () => true }, call);
      expect([from, answer.kind]).toEqual([from, from === shown ? 'mounted' : 'upload']);
    }
  });

  test('content is found by digest', async () => {
    const { registry } = await prepared();
    expect((await registry.resolveManifest(shown, image.descriptor.digest, call)).value.size).toBe(
      image.bytes.byteLength,
    );
  });
});
