import { describe, expect, test } from 'bun:test';
import { MediaType, RegistryError, referrersTag } from '#core/oci';
import { memory } from '#core/registry';
import {
  allPages,
  expectCode,
  pushImage,
  pushManifest,
  repo,
  sampleImage,
  sampleManifest,
  tag,
} from '#core/registry/contract';
import { fakeUpstream, fixture, MINUTE, PULL, REDIS, REDIS_THERE, rulesWith, SEVEN } from './proxy.fake.ts';

const image = sampleImage('redis 7');
const { digest } = image.descriptor;
const down = () => new RegistryError('UPSTREAM_UNAVAILABLE', 'it is down', { origin: 'upstream' });

describe('tags through a proxy', () => {
  test('one question for all pages and everybody, within freshFor', async () => {
    const { proxy, upstream, clock, again } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['1', '2', '3', '4', '5'] });
    const list = async () =>
      (await allPages(async (page) => (await proxy.tags(REDIS, page, PULL)).value, 2)).pages.map((page) => page.join());
    const all = await Promise.all([list(), list(), list()]);
    const pages = ['1,2', '3,4', '5'];
    expect(all).toEqual([pages, pages, pages]);
    expect((await again().tags(REDIS, { limit: 10 }, PULL)).served.verdict).toBe('hit');
    expect(upstream.take()).toEqual(['TAGS library/redis']);
    clock.advance(10 * MINUTE);
    expect((await proxy.tags(REDIS, { limit: 10 }, PULL)).served.verdict).toBe('revalidated');
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['6'] });
    clock.advance(10 * MINUTE);
    const changed = await proxy.tags(REDIS, { limit: 10 }, PULL);
    expect([changed.served.verdict, changed.value.items.length]).toEqual(['refreshed', 6]);
    expect(upstream.take()).toEqual(['TAGS library/redis', 'TAGS library/redis']);
  });

  test('down: the old list with what is here, marked; without a list what is here alone', async () => {
    const { proxy, upstream, clock } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['1', '2'] });
    await proxy.getManifest(REDIS, tag('2'), PULL);
    upstream.failure = down;
    const partial = await proxy.tags(REDIS, { limit: 10 }, PULL);
    expect([partial.value.items, partial.served.verdict]).toEqual([[tag('2')], 'stale-if-error']);
    expect(partial.served.warnings[0]).toContain('only the tags that are here');
    upstream.failure = undefined;
    await proxy.tags(REDIS, { limit: 10 }, PULL);
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['3'] });
    await proxy.getManifest(REDIS, tag('3'), PULL);
    clock.advance(10 * MINUTE);
    upstream.failure = down;
    const stale = await proxy.tags(REDIS, { limit: 10 }, PULL);
    expect([stale.value.items, stale.served.ageSeconds]).toEqual([[tag('1'), tag('2'), tag('3')], 600]);
    expect(stale.served.warnings[0]).toContain('may be out of date');
    await expectCode(proxy.tags(repo('hub/library/other'), { limit: 10 }, PULL), 'UPSTREAM_UNAVAILABLE');
  });

  test('a repository that is not there: believed for negativeFor', async () => {
    const { proxy, upstream, clock } = fixture();
    for (let time = 0; time < 2; time++) await expectCode(proxy.tags(REDIS, { limit: 10 }, PULL), 'NAME_UNKNOWN');
    expect(upstream.take()).toEqual(['TAGS library/redis']);
    clock.advance(MINUTE);
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['1'] });
    expect((await proxy.tags(REDIS, { limit: 10 }, PULL)).value.items).toEqual([tag('1')]);
  });

  test('a tag that the upstream deleted is listed while it is kept, and not where it is to be forgotten', async () => {
    const { proxy, upstream, again } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['1', '2'] });
    await proxy.getManifest(REDIS, tag('1'), PULL);
    await upstream.registry.deleteTag(REDIS_THERE, tag('1'), PULL);
    expect((await proxy.tags(REDIS, { limit: 10 }, PULL)).value.items).toEqual([tag('1'), tag('2')]);
    const forgetful = again(rulesWith({}, { whenDeleted: 'forget' }));
    expect((await forgetful.tags(REDIS, { limit: 10 }, PULL)).value.items).toEqual([tag('2')]);
  });

  test('more than ten thousand: page by page as the upstream has them, ours in their places', async () => {
    const { proxy, upstream } = fixture();
    const many = Array.from({ length: 10_001 }, (_, index) => `t${String(index).padStart(5, '0')}`);
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: many });
    await proxy.getManifest(REDIS, tag('t00002'), PULL);
    await upstream.registry.deleteTag(REDIS_THERE, tag('t00002'), PULL);
    await upstream.registry.deleteTag(REDIS_THERE, tag('t00003'), PULL);
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['u1', 'u2'] });
    upstream.take();
    const first = await proxy.tags(REDIS, { limit: 3 }, PULL);
    expect(first.value).toEqual({ items: ['t00000', 't00001', 't00002', 't00004'].map(tag), next: 't00004' });
    expect(upstream.take().length).toBe(11);
    const second = await proxy.tags(REDIS, { limit: 3, after: first.value.next ?? '' }, PULL);
    expect(second.value.items).toEqual(['t00005', 't00006', 't00007'].map(tag));
    expect(upstream.take().length).toBe(1);
  });

  test('stale while revalidating', async () => {
    const { proxy, upstream, clock } = fixture({ rules: rulesWith({ staleWhileRevalidateMs: MINUTE }) });
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['1'] });
    await proxy.tags(REDIS, { limit: 10 }, PULL);
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['2'] });
    clock.advance(10 * MINUTE);
    expect((await proxy.tags(REDIS, { limit: 10 }, PULL)).value.items).toEqual([tag('1')]);
    await proxy.close();
    expect((await proxy.tags(REDIS, { limit: 10 }, PULL)).value.items).toEqual([tag('1'), tag('2')]);
    expect(upstream.take()).toEqual(['TAGS library/redis', 'TAGS library/redis']);
  });
});

test('repositories are those that are here, of this namespace alone', async () => {
  const { proxy, upstream, store } = fixture();
  for (const name of ['library/a', 'library/b', 'other/c']) {
    await pushImage(upstream.registry, name, image, { tags: ['7'] });
    await proxy.getManifest(repo(`hub/${name}`), SEVEN, PULL);
  }
  for (const name of ['hub-x/a', 'hub0/a', 'aaa/a', 'zzz/a']) await pushImage(store, name, image, { tags: ['7'] });
  const { pages } = await allPages(async (page) => (await proxy.repositories(page, PULL)).value, 2);
  expect(pages).toEqual([[repo('hub/library/a'), repo('hub/library/b')], [repo('hub/other/c')]]);
});

describe('referrers through a proxy', () => {
  const signature = sampleImage('signature', {
    subject: image.descriptor,
    artifactType: 'application/vnd.test.signature',
  });
  const sbom = sampleImage('sbom', { subject: image.descriptor, artifactType: 'application/vnd.test.sbom' });
  const digestsOf = (page: { readonly items: readonly { readonly digest: string }[] }) =>
    page.items.map((each) => each.digest).sort();

  test('one question answers for all artifact types; "none" is asked again after negativeFor', async () => {
    const { proxy, upstream, clock } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image, { tags: ['7'] });
    expect((await proxy.referrers(REDIS, digest, {}, PULL)).value).toEqual({ items: [], filtered: false });
    await pushImage(upstream.registry, REDIS_THERE, signature);
    await pushImage(upstream.registry, REDIS_THERE, sbom);
    expect((await proxy.referrers(REDIS, digest, {}, PULL)).value.items).toEqual([]);
    clock.advance(MINUTE);
    const all = await proxy.referrers(REDIS, digest, {}, PULL);
    expect(digestsOf(all.value)).toEqual([signature, sbom].map(({ descriptor }) => descriptor.digest).sort());
    const some = await proxy.referrers(REDIS, digest, { artifactTypes: ['application/vnd.test.sbom'] }, PULL);
    expect([digestsOf(some.value), some.value.filtered]).toEqual([[sbom.descriptor.digest], true]);
    clock.advance(9 * MINUTE);
    expect((await proxy.referrers(REDIS, digest, {}, PULL)).served.verdict).toBe('hit');
    expect(upstream.take()).toEqual(Array(2).fill(`REFERRERS library/redis@${digest}`));
  });

  test('an upstream without such lists: its fallback tag', async () => {
    const upstream = fakeUpstream('docker.io', memory({ referrers: false }));
    const { proxy } = fixture({ upstreams: [upstream] });
    await pushImage(upstream.registry, REDIS_THERE, image);
    await pushImage(upstream.registry, REDIS_THERE, signature);
    const list = sampleManifest(MediaType.ociIndex, { manifests: [signature.descriptor] });
    await pushManifest(upstream.registry, REDIS_THERE, list, { tags: [referrersTag(digest)] });
    expect(digestsOf((await proxy.referrers(REDIS, digest, {}, PULL)).value)).toEqual([signature.descriptor.digest]);
    // And the tag itself, for clients that read it.
    expect((await proxy.getManifest(REDIS, referrersTag(digest), PULL)).value.bytes).toEqual(list.bytes);
  });

  test('down: what is known with what is here, marked; nothing at all is an error, not an empty list', async () => {
    const { proxy, upstream, clock, again, state } = fixture();
    await pushImage(upstream.registry, REDIS_THERE, image);
    await pushImage(upstream.registry, REDIS_THERE, signature);
    upstream.failure = down;
    await expectCode(proxy.referrers(REDIS, digest, {}, PULL), 'UPSTREAM_UNAVAILABLE');
    upstream.failure = undefined;
    await proxy.getManifest(REDIS, signature.descriptor.digest, PULL);
    upstream.failure = down;
    const here = await proxy.referrers(REDIS, digest, {}, PULL);
    expect([digestsOf(here.value), here.served.warnings.length]).toEqual([[signature.descriptor.digest], 1]);
    upstream.failure = undefined;
    await pushImage(upstream.registry, REDIS_THERE, sbom);
    await proxy.referrers(REDIS, digest, {}, PULL);
    clock.advance(10 * MINUTE);
    upstream.failure = down;
    const stale = await again().referrers(REDIS, digest, {}, PULL);
    expect([stale.value.items.length, stale.served.verdict]).toEqual([2, 'stale-if-error']);
    await state.flush();
  });

  test('a list that does not end is not read on', async () => {
    const { proxy, upstream } = fixture();
    let pages = 0;
    upstream.reader.referrers = async () => {
      pages++;
      return {
        value: { items: [signature.descriptor], filtered: false, next: String(pages) },
        served: { by: 'liar', warnings: [] },
      };
    };
    await expectCode(proxy.referrers(REDIS, digest, {}, PULL), 'UPSTREAM_INVALID');
    expect(pages).toBeLessThan(5000);
  });
});
