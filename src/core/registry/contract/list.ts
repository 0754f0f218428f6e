import { expect } from 'bun:test';
import type { Registry } from '../types.ts';
import { allPages, pushImage, pushManifest, repo, sampleImage, sampleIndex, tag, testCall } from './sample.ts';
import { type Check, expectCode } from './suite.ts';

const name = repo('team/app');
const call = testCall();
/** In the order of their bytes: digits, capitals, underscore, small letters. */
const TAGS = ['1', '10', '9', 'A', 'Z', '_x', 'a', 'a-b', 'a.b', 'aB', 'a_b', 'ab', 'z'].map(tag);

export function listContract(check: Check): void {
  tagListContract(check);
  catalogContract(check);
  extrasContract(check);
}

async function pushTags(registry: Registry): Promise<void> {
  const shuffled = [...TAGS].sort((left, right) => (left.length - right.length) * 7 + (left < right ? 3 : -3));
  const index = sampleIndex([]);
  for (const each of shuffled) await pushManifest(registry, name, index, { tags: [each] });
}

function tagListContract(check: Check): void {
  for (const limit of [1, 5, TAGS.length, 100]) {
    check(`lists tags in the order of their bytes, ${limit} a page`, async (registry) => {
      await pushTags(registry);
      const { pages, items } = await allPages(
        async (options) => (await registry.tags(name, options, call)).value,
        limit,
      );
      expect(items).toEqual(TAGS);
      expect(pages.every((page) => page.length <= limit)).toBe(true);
      // The last page says so itself: nobody is sent to fetch an empty one.
      expect(pages.length).toBe(Math.ceil(TAGS.length / limit));
    });
  }

  check('a page begins after a name, there or not', async (registry) => {
    await pushTags(registry);
    for (const { after, expected } of [
      { after: 'a', expected: ['a-b', 'a.b'] },
      { after: 'a0', expected: ['aB', 'a_b'] },
      { after: 'zz', expected: [] },
    ]) {
      const { value } = await registry.tags(name, { after, limit: 2 }, call);
      expect([after, value.items]).toEqual([after, expected.map(tag)]);
    }
  });

  check('a page of none is empty and the last', async (registry) => {
    await pushTags(registry);
    const { value } = await registry.tags(name, { limit: 0 }, call);
    expect([value.items, value.next]).toEqual([[], undefined]);
  });

  check('an unknown repository has no tags to list: NAME_UNKNOWN', async (registry) => {
    await expectCode(registry.tags(name, { limit: 10 }, call), 'NAME_UNKNOWN');
  });

  check('a tag is listed once, however often it moved', async (registry) => {
    for (const seed of ['one', 'two', 'three'])
      await pushImage(registry, name, sampleImage(seed), { tags: ['latest'] });
    expect((await registry.tags(name, { limit: 10 }, call)).value.items).toEqual([tag('latest')]);
  });
}

function catalogContract(check: Check): void {
  const names = ['a', 'a-b/c', 'a/b', 'a/b/c', 'b', 'team/app'].map(repo);
  for (const limit of [1, 4, names.length, 100]) {
    check(
      `lists repositories in the order of their bytes, ${limit} a page`,
      async (registry) => {
        for (const each of [...names].reverse()) await pushManifest(registry, each, sampleIndex([]), { tags: ['v1'] });
        const list = await allPages(async (options) => (await registry.repositories(options, call)).value, limit);
        expect(list.items).toEqual(names);
        expect(list.pages.length).toBe(Math.ceil(names.length / limit));
      },
      ['catalog', 'isolation'],
    );
  }

  check(
    'asking about a repository does not make one',
    async (registry) => {
      await expectCode(registry.tags(name, { limit: 10 }, call), 'NAME_UNKNOWN');
      await registry.referrers(name, sampleIndex([]).descriptor.digest, {}, call);
      const upload = await registry.startUpload(name, {}, call);
      await upload.cancel(call);
      expect((await registry.repositories({ limit: 10 }, call)).value.items).toEqual([]);
    },
    ['catalog'],
  );

  check(
    'a repository stays when its content is deleted',
    async (registry) => {
      const index = sampleIndex([]);
      await pushManifest(registry, name, index, { tags: ['v1'] });
      await registry.deleteManifest(name, index.descriptor.digest, call);
      expect((await registry.repositories({ limit: 10 }, call)).value.items).toEqual([name]);
      expect((await registry.tags(name, { limit: 10 }, call)).value.items).toEqual([]);
    },
    ['catalog', 'delete-manifest'],
  );
}

function extrasContract(check: Check): void {
  check('lists tags with their digests, where it can', async (registry) => {
    const { tagDigests } = registry.extras;
    if (!tagDigests) return;
    const images = [sampleImage('one'), sampleImage('two')];
    for (const [at, image] of images.entries()) await pushImage(registry, name, image, { tags: [`t${at}`, `u${at}`] });
    const { items } = await allPages((options) => tagDigests(name, options, call), 3);
    const [one, two] = images.map(({ descriptor }) => descriptor.digest);
    expect(items.map((item) => [item.tag, item.digest]) as unknown).toEqual([
      ['t0', one],
      ['t1', two],
      ['u0', one],
      ['u1', two],
    ]);
  });

  check('makes a repository before a push, where that is needed', async (registry) => {
    await registry.extras.ensureRepository?.(name, call);
    await registry.extras.ensureRepository?.(name, call);
    await pushImage(registry, name, sampleImage('after'), { tags: ['v1'] });
    expect((await registry.tags(name, { limit: 10 }, call)).value.items).toEqual([tag('v1')]);
  });
}
