import { describe, expect, test } from 'bun:test';
import { parsePlatform } from '#core/oci';
import { expectCode, pushImage, pushManifest, repo, sampleImage, sampleIndex, tag } from '#core/registry/contract';
import { fixture, PULL, REDIS, REDIS_THERE, RULES, rulesWith } from './proxy.fake.ts';
import { compileRules } from './rules.ts';

describe('which rule a tag has', () => {
  const rules = compileRules(
    rulesWith(
      {},
      {
        byTag: [
          { tags: ['semver'], immutable: true },
          { tags: ['latest', 'edge*'], freshForMs: 1 },
          { tags: ['*'], immutable: true, freshForMs: 2 },
          { tags: ['sha256-*.sig'], freshForMs: 3 },
        ],
      },
    ),
  );
  const signature = `sha256-${'a'.repeat(64)}.sig`;
  for (const [name, asked, expected] of [
    ['a version', '1.2.3', ['freshness[0] (semver)', true, RULES.freshness.freshForMs]],
    ['by its name', 'latest', ['freshness[1] (latest, edge*)', false, 1]],
    ['by a pattern', 'edge-2', ['freshness[1] (latest, edge*)', false, 1]],
    ['the first that matches', 'main', ['freshness[2] (*)', true, 2]],
    ['a signature is not meant by "*", only by name', signature, ['freshness[3] (sha256-*.sig)', false, 3]],
    [
      'an attestation that nobody names',
      signature.replace('sig', 'att'),
      ['freshness', false, RULES.freshness.freshForMs],
    ],
  ] as const) {
    test(name, () => {
      for (let time = 0; time < 2; time++) {
        const { name: ruleName, rule } = rules.freshnessOf(tag(asked));
        expect([ruleName, rule.immutable, rule.freshForMs]).toEqual([...expected]);
      }
    });
  }
});

describe('what is not to be had', () => {
  const rules = {
    ...RULES,
    allow: ['library/*', 'grafana/**'],
    deny: ['library/evil'],
    neverUpstream: ['acme/**', 'library/ours'],
  };
  const all = repo('hub/library/fine');
  for (const [name, asked, rule] of [
    ['denied, although allowed', 'hub/library/evil', 'deny library/evil'],
    ['denied by its short name', 'hub/evil', 'deny library/evil'],
    ['not allowed', 'hub/somebody/app', 'allow'],
    ['ours, before anything else', 'hub/acme/app', 'neverUpstream acme/**'],
    ['ours, although allowed', 'hub/library/ours', 'neverUpstream library/ours'],
  ] as const) {
    test(name, async () => {
      const { proxy, upstream, events } = fixture({ rules });
      await pushImage(upstream.registry, asked.slice(4), sampleImage('x'), { tags: ['1'] });
      const { digest } = sampleImage('x').config;
      const name = repo(asked);
      for (const read of [
        () => proxy.getManifest(name, tag('1'), PULL),
        () => proxy.resolveManifest(name, tag('1'), PULL),
        () => proxy.getBlob(name, digest, {}, PULL),
        () => proxy.resolveBlob(name, digest, PULL),
        () => proxy.tags(name, { limit: 1 }, PULL),
        () => proxy.referrers(name, digest, {}, PULL),
      ]) {
        await expect(read()).rejects.toMatchObject({ code: 'DENIED', detail: { rule } });
      }
      expect(upstream.asked).toEqual([]);
      expect(events.filter((event) => event.kind === 'answer' && event.verdict === 'denied').length).toBe(6);
      expect(await proxy.explain(name, tag('1'), PULL)).toMatchObject({ next: 'denied', rule, cached: false });
    });
  }

  test('what is allowed goes through', async () => {
    const { proxy, upstream } = fixture({ rules });
    await pushImage(upstream.registry, 'library/fine', sampleImage('fine'), { tags: ['1'] });
    expect((await proxy.getManifest(all, tag('1'), PULL)).served.verdict).toBe('miss');
  });

  test('what was kept before the rule came is refused too, and not listed', async () => {
    const { proxy, upstream, again } = fixture();
    await pushImage(upstream.registry, 'library/evil', sampleImage('evil'), { tags: ['1'] });
    await proxy.getManifest(repo('hub/evil'), tag('1'), PULL);
    const stricter = again(rules);
    await expectCode(stricter.getManifest(repo('hub/evil'), tag('1'), PULL), 'DENIED');
    expect((await proxy.repositories({ limit: 10 }, PULL)).value.items).toEqual([repo('hub/library/evil')]);
    expect((await stricter.repositories({ limit: 10 }, PULL)).value.items).toEqual([]);
  });
});

describe('platforms', () => {
  const amd64 = sampleImage('amd64');
  const arm64 = sampleImage('arm64');
  const index = sampleIndex([amd64, arm64]);

  test('the children of other platforms are refused, the index is as it was', async () => {
    const { proxy, upstream, again } = fixture({ rules: { ...RULES, platforms: [parsePlatform('linux/amd64')] } });
    await pushImage(upstream.registry, REDIS_THERE, amd64);
    await pushImage(upstream.registry, REDIS_THERE, arm64);
    await pushManifest(upstream.registry, REDIS_THERE, index, { tags: ['7'] });
    for (const each of [proxy, again({ ...RULES, platforms: [parsePlatform('linux/amd64')] })]) {
      expect((await each.getManifest(REDIS, tag('7'), PULL)).value.bytes).toEqual(index.bytes);
      expect((await each.getManifest(REDIS, amd64.descriptor.digest, PULL)).value.bytes).toEqual(amd64.bytes);
      const rule = { code: 'DENIED', detail: { rule: 'platforms linux/arm64' } };
      await expect(each.getManifest(REDIS, arm64.descriptor.digest, PULL)).rejects.toMatchObject(rule);
      await expect(each.resolveManifest(REDIS, arm64.descriptor.digest, PULL)).rejects.toMatchObject(rule);
    }
    expect(upstream.take()).toEqual(['GET library/redis:7', `GET library/redis@${amd64.descriptor.digest}`]);
  });
});

test('writes and deletes are refused, and the error says where to push', async () => {
  const { proxy, upstream, store } = fixture();
  const image = sampleImage('pushed');
  const { digest } = image.descriptor;
  for (const write of [
    () => proxy.putManifest(REDIS, image.bytes, { mediaType: image.descriptor.mediaType, tags: [] }, PULL),
    () => proxy.putBlob(REDIS, { digest: image.config.digest }, image.config.bytes, PULL),
    () => proxy.startUpload(REDIS, {}, PULL),
    () => proxy.openUpload(REDIS, 'id', PULL),
    () => proxy.mountBlob(REDIS, image.config.digest, { mayRead: () => true }, PULL),
    () => proxy.deleteTag(REDIS, tag('7'), PULL),
    () => proxy.deleteManifest(REDIS, digest, PULL),
    () => proxy.deleteBlob(REDIS, image.config.digest, PULL),
  ]) {
    const refusal = await write().then(
      () => undefined,
      (thrown) => thrown,
    );
    expect(refusal).toMatchObject({ code: 'DENIED', hint: expect.stringContaining('docker.io/library/redis') });
    expect(refusal.message).toContain('only the proxy itself');
  }
  expect(upstream.asked).toEqual([]);
  expect((await store.repositories({ limit: 1 }, PULL)).value.items).toEqual([]);
  expect(proxy.extras).toEqual({});
});
