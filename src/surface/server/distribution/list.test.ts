import { describe, expect, test } from 'bun:test';
import { digestOf, MediaType } from '#core/oci';
import { memory } from '#core/registry';
import { createStaticAccess } from '../access.ts';
import { codesOf, createFixture, type Fixture, pushManifest } from './fixture.ts';

async function withTags(...tags: string[]): Promise<Fixture> {
  const fixture = createFixture();
  for (const tag of tags) await pushManifest(fixture, { repository: 'team/app', reference: tag });
  return fixture;
}

/** Follows Links to the end, at most so many pages. */
async function pagesFrom(fixture: Fixture, path: string, key: string): Promise<string[][]> {
  const pages: string[][] = [];
  let next: string | undefined = path;
  while (next !== undefined && pages.length < 20) {
    const response: Response = await fixture.send('GET', next);
    expect(response.status).toBe(200);
    const body = (await response.json()) as Record<string, string[]>;
    pages.push(body[key] ?? []);
    next = /^<(.+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1];
  }
  return pages;
}

describe('tags', () => {
  const cases = [
    { name: 'all', query: '', pages: [['a', 'b', 'c', 'd', 'e']] },
    { name: 'two by two', query: '?n=2', pages: [['a', 'b'], ['c', 'd'], ['e']] },
    { name: 'exactly all', query: '?n=5', pages: [['a', 'b', 'c', 'd', 'e']] },
    { name: 'after one', query: '?n=9&last=c', pages: [['d', 'e']] },
    { name: 'after one that is not there', query: '?last=bb', pages: [['c', 'd', 'e']] },
    { name: 'none', query: '?n=0', pages: [[]] },
    { name: 'far too many', query: '?n=999999999', pages: [['a', 'b', 'c', 'd', 'e']] },
  ];
  test.each(cases)('$name', async ({ query, pages }) => {
    const fixture = await withTags('e', 'a', 'c', 'b', 'd');
    expect(await pagesFrom(fixture, `/v2/team/app/tags/list${query}`, 'tags')).toEqual(pages);
  });

  test('the name stands beside them, and a Link keeps ns', async () => {
    const fixture = await withTags('a', 'b');
    const response = await fixture.send('GET', '/v2/team/app/tags/list?n=1&ns=docker.io');
    expect(response.headers.get('link')).toBe('</v2/team/app/tags/list?n=1&last=a&ns=docker.io>; rel="next"');
    expect(await response.json()).toEqual({ name: 'team/app', tags: ['a'] });
  });

  test.each(['', '?n=0'])('of a repository that is not there%s', async (query) => {
    const response = await createFixture().send('GET', `/v2/team/nothing/tags/list${query}`);
    expect(await codesOf(response)).toEqual(['NAME_UNKNOWN']);
  });
});

describe('catalog', () => {
  test('names in pages', async () => {
    const fixture = createFixture();
    for (const repository of ['c', 'a', 'b']) await pushManifest(fixture, { repository });
    expect(await pagesFrom(fixture, '/v2/_catalog?n=2', 'repositories')).toEqual([['a', 'b'], ['c']]);
    expect(await pagesFrom(fixture, '/v2/_catalog?n=0', 'repositories')).toEqual([[]]);
  });

  test('shows what the caller may pull, in full pages', async () => {
    const everything = createFixture();
    const names = ['p/1', 'p/2', 'p/3', 's/1', 's/2', 't/1'];
    for (const repository of names) await pushManifest(everything, { repository });
    const access = createStaticAccess({
      anonymous: [
        { repositories: ['t/*'], actions: ['pull'] },
        { repositories: ['p/*'], actions: ['pull'] },
        { repositories: ['**'], actions: ['push'] },
      ],
    });
    const fixture = createFixture({ registry: everything.registry, access });
    const pages = await pagesFrom(fixture, '/v2/_catalog?n=2', 'repositories');
    expect(pages.flat()).toEqual(['p/1', 'p/2', 'p/3', 't/1']);
    expect(pages.slice(0, 2)).toEqual([
      ['p/1', 'p/2'],
      ['p/3', 't/1'],
    ]);
  });

  test('no page names what the caller may not see, in its Link neither', async () => {
    const everything = createFixture();
    const hidden = Array.from({ length: 1200 }, (_, index) => `s/${index}`);
    for (const repository of ['a', 'z', 'zz', ...hidden]) await pushManifest(everything, { repository });
    const access = createStaticAccess({ anonymous: [{ repositories: ['a', 'z', 'zz'], actions: ['pull'] }] });
    const fixture = createFixture({ registry: everything.registry, access });
    for (const n of [1, 2, 5]) {
      const seen: string[] = [];
      for (let path: string | undefined = `/v2/_catalog?n=${n}`; path !== undefined; ) {
        const response = await fixture.send('GET', path);
        seen.push(...((await response.json()) as { repositories: string[] }).repositories);
        path = /^<([^>]+)>/.exec(response.headers.get('link') ?? '')?.[1];
        expect(decodeURIComponent(path ?? '')).not.toContain('s/');
      }
      expect(seen).toEqual(['a', 'z', 'zz']);
    }
  });

  test.each(['2147483648', '-1', '1e3', '0x10', '99999999999999999999'])('n=%s is refused', async (n) => {
    const fixture = createFixture();
    const response = await fixture.send('GET', `/v2/_catalog?n=${n}`);
    expect(response.status).toBe(400);
    expect(await codesOf(response)).toEqual(['PAGINATION_NUMBER_INVALID']);
    expect((await fixture.send('GET', '/v2/_catalog')).status).toBe(200);
  });
});

describe('referrers', () => {
  const subject = digestOf('subject');
  async function withReferrers(fixture: Fixture): Promise<void> {
    for (const artifactType of ['a/one', 'a/two', 'a/three']) {
      const descriptor = { mediaType: MediaType.ociManifest, digest: subject, size: 7 };
      const { response } = await pushManifest(fixture, { repository: 'app' }, { artifactType, subject: descriptor });
      expect(response.headers.get('oci-subject')).toBe(subject);
    }
  }
  async function typesOf(response: Response): Promise<string[]> {
    expect(response.headers.get('content-type')).toBe(MediaType.ociIndex);
    const index = (await response.json()) as { manifests: { artifactType: string }[] };
    return index.manifests.map((manifest) => manifest.artifactType).sort();
  }

  test('all, one type, two types', async () => {
    const fixture = createFixture();
    await withReferrers(fixture);
    const path = `/v2/app/referrers/${subject}`;
    const all = await fixture.send('GET', path);
    expect(all.headers.get('oci-filters-applied')).toBeNull();
    expect(await typesOf(all)).toEqual(['a/one', 'a/three', 'a/two']);
    const one = await fixture.send('GET', `${path}?artifactType=a/two`);
    expect(one.headers.get('oci-filters-applied')).toBe('artifactType');
    expect(await typesOf(one)).toEqual(['a/two']);
    expect(await typesOf(await fixture.send('GET', `${path}?artifactType=a/two&artifactType=a/one`))).toEqual([
      'a/one',
      'a/two',
    ]);
  });

  test('a registry that does not filter is filtered for', async () => {
    const inner = memory();
    const fixture = createFixture({
      registry: {
        ...inner,
        referrers: async (repository, digest, _options, call) => {
          const answer = await inner.referrers(repository, digest, {}, call);
          return { ...answer, value: { ...answer.value, filtered: false } };
        },
      },
    });
    await withReferrers(fixture);
    const response = await fixture.send('GET', `/v2/app/referrers/${subject}?artifactType=a/two`);
    expect(response.headers.get('oci-filters-applied')).toBe('artifactType');
    expect(await typesOf(response)).toEqual(['a/two']);
  });

  test('pages are linked', async () => {
    const fixture = createFixture({ registry: memory({ referrersPerPage: 2 }) });
    await withReferrers(fixture);
    const first = await fixture.send('GET', `/v2/app/referrers/${subject}`);
    const next = /^<(.+)>; rel="next"$/.exec(first.headers.get('link') ?? '')?.[1] ?? '';
    const second = await fixture.send('GET', next);
    expect(second.headers.get('link')).toBeNull();
    const types = [...(await typesOf(first)), ...(await typesOf(second))];
    expect(types.sort()).toEqual(['a/one', 'a/three', 'a/two']);
  });

  test('of nothing: an empty index, in a repository or none', async () => {
    const response = await createFixture().send('GET', `/v2/nothing/referrers/${subject}`);
    expect(response.status).toBe(200);
    expect(await typesOf(response)).toEqual([]);
  });
});
