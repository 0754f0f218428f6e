import { describe, expect, test } from 'bun:test';
import { RegistryError } from '#core/oci';
import { expectCode, pushImage, sampleImage, tag } from '#core/registry/contract';
import { fixture, MINUTE, PULL, REDIS, REDIS_THERE, rulesWith, SEVEN } from './proxy.fake.ts';

const image = sampleImage('redis 7');
const newer = sampleImage('redis 7, newer');
const newest = sampleImage('redis 7, newest');
const limited = () => new RegistryError('TOOMANYREQUESTS', 'too many', { origin: 'upstream' });

/** A tag that was pulled, and is to be asked about again. */
async function expired(options: Parameters<typeof fixture>[0] = {}) {
  const all = fixture(options);
  await pushImage(all.upstream.registry, REDIS_THERE, image, { tags: ['7'] });
  await all.proxy.getManifest(REDIS, SEVEN, PULL);
  all.upstream.take();
  all.clock.advance(10 * MINUTE);
  return all;
}

describe('after freshFor', () => {
  test('pulls and looks at once are one HEAD', async () => {
    const { proxy, upstream } = await expired();
    const pulls = Array.from({ length: 25 }, () => [
      proxy.getManifest(REDIS, SEVEN, PULL),
      proxy.resolveManifest(REDIS, SEVEN, PULL),
    ]);
    const answers = await Promise.all(pulls.flat());
    expect(new Set(answers.map(({ served }) => served.verdict))).toEqual(new Set(['revalidated']));
    expect(upstream.take()).toEqual(['HEAD library/redis:7']);
  });

  test('whenever the next comes, while the answer is on its way up, it is one HEAD', async () => {
    for (let steps = 0; steps < 60; steps++) {
      const { proxy, upstream } = await expired();
      const gate = Promise.withResolvers<void>();
      upstream.gate = gate.promise;
      const first = proxy.getManifest(REDIS, SEVEN, PULL);
      await Bun.sleep(0);
      gate.resolve();
      for (let step = 0; step < steps; step++) await Promise.resolve();
      await Promise.all([first, proxy.resolveManifest(REDIS, SEVEN, PULL), proxy.getManifest(REDIS, SEVEN, PULL)]);
      expect({ steps, asked: upstream.take() }).toEqual({ steps, asked: ['HEAD library/redis:7'] });
    }
  });

  test('whatever was begun before, it is one HEAD', async () => {
    for (let steps = 0; steps < 60; steps++) {
      const { proxy, upstream } = await expired();
      const gate = Promise.withResolvers<void>();
      upstream.gate = gate.promise;
      const first = proxy.getManifest(REDIS, SEVEN, PULL);
      await Bun.sleep(0);
      // Its look began before the answer, and ends after it.
      const second = proxy.resolveManifest(REDIS, SEVEN, PULL);
      for (let step = 0; step < steps; step++) await Promise.resolve();
      gate.resolve();
      await Promise.all([first, second]);
      expect({ steps, asked: upstream.take() }).toEqual({ steps, asked: ['HEAD library/redis:7'] });
    }
  });
});

describe('a tag that moved to what could not be fetched', () => {
  const pending = async (options: Parameters<typeof fixture>[0] = {}) => {
    const all = await expired(options);
    await pushImage(all.upstream.registry, REDIS_THERE, newer, { tags: ['7'] });
    all.upstream.failure = (question) => (question.startsWith('GET') ? limited() : undefined);
    expect((await all.proxy.getManifest(REDIS, SEVEN, PULL)).served.verdict).toBe('stale-if-error');
    all.upstream.failure = undefined;
    all.upstream.take();
    return all;
  };

  for (const whenDeleted of ['keep', 'forget'] as const) {
    test(`and is deleted there by now: the tag is asked for (whenDeleted: ${whenDeleted})`, async () => {
      const { proxy, upstream } = await pending({ rules: rulesWith({}, { whenDeleted }) });
      await pushImage(upstream.registry, REDIS_THERE, newest, { tags: ['7'] });
      await upstream.registry.deleteManifest(REDIS_THERE, newer.descriptor.digest, PULL);
      const { value, served } = await proxy.getManifest(REDIS, SEVEN, PULL);
      expect([value.descriptor.digest, served.verdict]).toEqual([newest.descriptor.digest, 'refreshed']);
      expect(upstream.take()).toEqual([`GET library/redis@${newer.descriptor.digest}`, 'GET library/redis:7']);
    });
  }

  test('is fetched later, and is no fresher by that', async () => {
    const { proxy, upstream, clock } = await pending();
    clock.advance(9 * MINUTE);
    expect((await proxy.getManifest(REDIS, SEVEN, PULL)).served.verdict).toBe('refreshed');
    expect(upstream.take()).toEqual([`GET library/redis@${newer.descriptor.digest}`]);
    clock.advance(MINUTE);
    expect((await proxy.getManifest(REDIS, SEVEN, PULL)).served.verdict).toBe('revalidated');
    expect(upstream.take()).toEqual(['HEAD library/redis:7']);
  });
});

test('an upstream’s 404 for one tag says nothing of another', async () => {
  const { proxy } = await expired();
  await expectCode(proxy.getManifest(REDIS, tag('8'), PULL), 'MANIFEST_UNKNOWN');
  expect((await proxy.getManifest(REDIS, SEVEN, PULL)).served.verdict).toBe('revalidated');
});
