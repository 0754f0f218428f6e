import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { MediaType, parseDigest, referrersTag } from '#core/oci';
import type { Page } from '#core/registry';
import { CALL, clientOf, failureOf, REPOSITORY } from './client.fake.ts';
import { type FakeUpstream, reply, startUpstream, wireError } from './upstream.fake.ts';

let fake: FakeUpstream;
beforeEach(async () => {
  fake = await startUpstream();
});
afterEach(() => fake.stop());

async function walk<T>(page: (after: string | undefined) => Promise<Page<T>>): Promise<T[][]> {
  const pages: T[][] = [];
  let after: string | undefined;
  do {
    const { items, next } = await page(after);
    pages.push([...items]);
    after = next;
  } while (after !== undefined && pages.length < 20);
  return pages;
}

const optionsOf = (after: string | undefined, limit: number) => ({ limit, ...(after === undefined ? {} : { after }) });

function answerTags(headers: Record<string, string>, tags: unknown = ['a', 'b']) {
  fake.on(/tags\/list/, ({ response }) => {
    reply(response, 200, headers, JSON.stringify({ name: 'demo/app', tags }));
    return true;
  });
}

describe('tags', () => {
  test('pages follow the Link', async () => {
    for (const tag of ['a', 'b', 'c', 'd', 'e']) fake.addImage(tag);
    const client = clientOf(fake);
    const pages = await walk(async (after) => (await client.tags(REPOSITORY, optionsOf(after, 2), CALL)).value);
    expect(pages.map((page) => page.map(String))).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
    expect(fake.log).toEqual([
      'GET /v2/demo/app/tags/list?n=2',
      'GET /v2/demo/app/tags/list?n=2&last=b',
      'GET /v2/demo/app/tags/list?n=2&last=d',
    ]);
  });

  test('a registry that numbers its pages', async () => {
    fake.on(/tags\/list\?n=2$/, ({ response }) => {
      reply(
        response,
        200,
        { link: '</v2/demo/app/tags/list?next_page=gAAA%3D%3D&n=2>; rel="next"' },
        '{"tags":["z","a"]}',
      );
      return true;
    });
    fake.on(/next_page=gAAA%3D%3D/, ({ response }) => {
      reply(response, 200, {}, '{"tags":["m"]}');
      return true;
    });
    const client = clientOf(fake);
    const pages = await walk(async (after) => (await client.tags(REPOSITORY, optionsOf(after, 2), CALL)).value);
    expect(pages.map((page) => page.map(String))).toEqual([['a', 'z'], ['m']]);
  });

  test('a registry that ignores n and last', async () => {
    answerTags({}, ['a', 'b', 'c', 'd', 'e']);
    const client = clientOf(fake);
    const pages = await walk(async (after) => (await client.tags(REPOSITORY, optionsOf(after, 2), CALL)).value);
    expect(pages.map((page) => page.map(String))).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
    fake.log.length = 0;
    expect((await client.tags(REPOSITORY, { limit: 1000 }, CALL)).value.items).toHaveLength(5);
    expect(fake.log).toEqual(['GET /v2/demo/app/tags/list?n=1000']);
  });

  test('no tags at all may be null', async () => {
    answerTags({}, null);
    expect((await clientOf(fake).tags(REPOSITORY, { limit: 10 }, CALL)).value).toEqual({ items: [] });
  });

  test('what is no tag is left out with a warning', async () => {
    answerTags({}, ['ok', '../etc', 7]);
    const { value, served } = await clientOf(fake).tags(REPOSITORY, { limit: 10 }, CALL);
    expect(value.items.map(String)).toEqual(['ok']);
    expect(served.warnings).toEqual([expect.stringContaining('2 tags')]);
  });

  const links: { name: string; link: string; why: RegExp }[] = [
    {
      name: 'to another host',
      link: '<http://evil.example/v2/demo/app/tags/list?last=b>; rel="next"',
      why: /evil\.example/,
    },
    { name: 'to the metadata service', link: '<http://169.254.169.254/latest?last=b>; rel="next"', why: /169\.254/ },
    { name: 'in a circle', link: '</v2/demo/app/tags/list?n=10>; rel="next"', why: /same page/ },
    { name: 'without a query', link: '</v2/demo/app/tags/list>; rel="next"', why: /same page/ },
  ];
  for (const { name, link, why } of links) {
    test(`a Link ${name} is UPSTREAM_INVALID`, async () => {
      answerTags({ link });
      const failure = await failureOf(clientOf(fake).tags(REPOSITORY, { limit: 10 }, CALL));
      expect(failure.code).toBe('UPSTREAM_INVALID');
      expect(failure.why).toMatch(why);
      expect(fake.log).toHaveLength(1);
    });
  }

  test('a Link to another path leads only to the next page of the same list', async () => {
    fake.on(
      /tags\/list/,
      ({ response }) => {
        reply(response, 200, { link: '</v2/secret/repo/tags/list?n=2&last=b>; rel="next"' }, '{"tags":["a","b"]}');
        return true;
      },
      1,
    );
    const client = clientOf(fake);
    const { value } = await client.tags(REPOSITORY, { limit: 2 }, CALL);
    await client.tags(REPOSITORY, { limit: 2, after: value.next ?? '' }, CALL);
    expect(fake.log[1]).toBe('GET /v2/demo/app/tags/list?n=2&last=b');
  });

  test('a list beyond the bound is refused', async () => {
    fake.on(/tags\/list/, ({ response }) => {
      reply(response, 200, {}, `{"tags":["${'a'.repeat(5_000_000)}"]}`);
      return true;
    });
    expect((await failureOf(clientOf(fake).tags(REPOSITORY, { limit: 10 }, CALL))).code).toBe('UPSTREAM_INVALID');
  });

  test('a list that is no JSON is refused', async () => {
    fake.on(/tags\/list/, ({ response }) => {
      reply(response, 200, {}, '<html>');
      return true;
    });
    expect((await failureOf(clientOf(fake).tags(REPOSITORY, { limit: 10 }, CALL))).code).toBe('UPSTREAM_INVALID');
  });

  test('an unknown repository is NAME_UNKNOWN', async () => {
    fake.on(/tags\/list/, ({ response }) => {
      reply(response, 404, {});
      return true;
    });
    expect((await failureOf(clientOf(fake).tags(REPOSITORY, { limit: 10 }, CALL))).code).toBe('NAME_UNKNOWN');
  });
});

describe('repositories', () => {
  test('pages', async () => {
    const client = clientOf(fake);
    const pages = await walk(async (after) => (await client.repositories(optionsOf(after, 2), CALL)).value);
    expect(pages.map((page) => page.map(String))).toEqual([['a/one', 'b/two'], ['c/three']]);
  });

  test('a registry without a catalog is UNSUPPORTED', async () => {
    fake.on(/_catalog/, ({ response }) => {
      wireError(response, 404, 'NOT_FOUND');
      return true;
    });
    expect((await failureOf(clientOf(fake).repositories({ limit: 10 }, CALL))).code).toBe('UNSUPPORTED');
  });

  test('no right to see it is not its absence', async () => {
    fake.on(/_catalog/, ({ response }) => {
      wireError(response, 403, 'DENIED');
      return true;
    });
    expect((await failureOf(clientOf(fake).repositories({ limit: 10 }, CALL))).code).toBe('DENIED');
  });
});

describe('referrers', () => {
  function addReferrer(digest: string): string {
    const { manifest } = fake.addImage('v1');
    const json = JSON.parse(new TextDecoder().decode(manifest));
    const subject = { mediaType: MediaType.ociManifest, digest, size: manifest.byteLength };
    const bytes = new TextEncoder().encode(JSON.stringify({ ...json, artifactType: 'a/b', subject }));
    const referrer = `sha256:${new Bun.CryptoHasher('sha256').update(bytes).digest('hex')}`;
    fake.manifests.set(referrer, { bytes, mediaType: MediaType.ociManifest });
    return referrer;
  }

  test('by the API: one request, filtered when it says so', async () => {
    fake.settings.referrersApi = true;
    const digest = parseDigest(fake.addImage('v1').digest);
    const referrer = addReferrer(digest);
    const client = clientOf(fake);
    const all = await client.referrers(REPOSITORY, digest, {}, CALL);
    expect(all.value).toMatchObject({ filtered: false, items: [{ digest: referrer, artifactType: 'a/b' }] });
    const some = await client.referrers(REPOSITORY, digest, { artifactTypes: ['x/y'] }, CALL);
    expect(some.value).toEqual({ filtered: true, items: [] });
    expect(fake.log).toHaveLength(2);
    expect(client.extras.capabilities?.(REPOSITORY)).toEqual({ referrers: true });
  });

  test('without the API: the fallback tag, and the API is not asked for again', async () => {
    const digest = parseDigest(fake.addImage('v1').digest);
    const descriptor = { mediaType: MediaType.ociManifest, digest, size: 3, artifactType: 'a/b' };
    const index = JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [descriptor] });
    fake.manifests.set(referrersTag(digest), { bytes: new TextEncoder().encode(index), mediaType: MediaType.ociIndex });
    const client = clientOf(fake);
    const { value } = await client.referrers(REPOSITORY, digest, { artifactTypes: ['x/y'] }, CALL);
    expect(value).toEqual({ filtered: false, items: [descriptor] });
    await client.referrers(REPOSITORY, digest, {}, CALL);
    expect(fake.log.map((line) => line.split('/')[4])).toEqual(['referrers', 'manifests', 'manifests']);
    expect(client.extras.capabilities?.(REPOSITORY)).toEqual({ referrers: false });
  });

  test('what earlier runs found out saves the question', async () => {
    const digest = parseDigest(fake.addImage('v1').digest);
    const first = clientOf(fake);
    await first.referrers(REPOSITORY, digest, {}, CALL);
    fake.log.length = 0;
    await clientOf(fake, { known: first.state().known }).referrers(REPOSITORY, digest, {}, CALL);
    expect(fake.log).toEqual([expect.stringContaining('/manifests/sha256-')]);
  });

  test('none by tag is none', async () => {
    const digest = parseDigest(fake.addImage('v1').digest);
    expect((await clientOf(fake).referrers(REPOSITORY, digest, {}, CALL)).value.items).toEqual([]);
  });

  for (const status of [401, 403, 429, 500]) {
    test(`${status} is an error, never an absence`, async () => {
      const digest = parseDigest(fake.addImage('v1').digest);
      fake.on(/referrers/, ({ response }) => {
        reply(response, status, {});
        return true;
      });
      const client = clientOf(fake);
      await failureOf(client.referrers(REPOSITORY, digest, {}, CALL));
      expect(client.extras.capabilities?.(REPOSITORY)).toEqual({});
    });
  }

  test('an unknown repository says nothing about the API', async () => {
    const digest = parseDigest(fake.addImage('v1').digest);
    fake.on(/referrers/, ({ response }) => {
      wireError(response, 404, 'NAME_UNKNOWN');
      return true;
    });
    const client = clientOf(fake);
    expect((await client.referrers(REPOSITORY, digest, {}, CALL)).value.items).toEqual([]);
    expect(client.extras.capabilities?.(REPOSITORY)).toEqual({});
  });

  test('an image under the fallback tag is a failure, not an empty list', async () => {
    const image = fake.addImage('v1');
    const digest = parseDigest(image.digest);
    fake.manifests.set(referrersTag(digest), { bytes: new TextEncoder().encode('{}'), mediaType: MediaType.ociIndex });
    expect((await failureOf(clientOf(fake).referrers(REPOSITORY, digest, {}, CALL))).code).toBe('UPSTREAM_INVALID');
  });
});
