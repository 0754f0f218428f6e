import { describe, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  cosignTags,
  type Descriptor,
  type Digest,
  descriptorToJson,
  digestOf,
  MediaType,
  RegistryError,
  type RepositoryName,
  referrersTag,
  type TagName,
} from '#core/oci';
import { type Call, memory, missingContent, type Registry } from '#core/registry';
import { type Database, openSqlite } from '#core/sql';
import { manualClock, silentLog, systemClock } from '#core/std';
import { applyMirror } from './apply.ts';
import { mirrorSql, sqlState } from './sql-state.ts';
import { type MirrorState, memoryState } from './state.ts';
import type { MirrorEndpoint, MirrorOptions, MirrorSpec } from './types.ts';

const CALL: Call = { principal: { kind: 'system', name: 'test' }, requestId: 'test', purpose: 'mirror' };
const APP = 'vendor/app' as RepositoryName;
const TEAM_APP = 'team/app' as RepositoryName;

type Pushed = { readonly repository?: string; readonly tags?: readonly string[]; readonly subject?: Descriptor };

async function push(registry: Registry, text: string, { repository = APP, tags = [], subject }: Pushed = {}) {
  const name = repository as RepositoryName;
  const put = async (body: string) => {
    const bytes = new TextEncoder().encode(body);
    const digest = digestOf(bytes);
    await registry.putBlob(name, { digest }, bytes, CALL);
    return { digest, size: bytes.byteLength };
  };
  const json = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: { mediaType: MediaType.ociConfig, ...(await put(`config ${text}`)) },
    layers: [{ mediaType: MediaType.ociLayer, ...(await put('shared layer')) }],
    ...(subject ? { subject: descriptorToJson(subject) } : {}),
  };
  const bytes = new TextEncoder().encode(JSON.stringify(json));
  const options = { mediaType: MediaType.ociManifest, digest: digestOf(bytes), tags: tags as TagName[] };
  return (await registry.putManifest(name, bytes, options, CALL)).descriptor;
}

/** Counts the methods asked of a registry. */
function watched(inner: Registry) {
  let calls: string[] = [];
  const registry = new Proxy(inner, {
    get(target, property, receiver) {
      const value: unknown = Reflect.get(target, property, receiver);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        calls.push(String(property));
        return Reflect.apply(value, target, args);
      };
    },
  });
  const take = () => {
    const taken = calls;
    calls = [];
    return taken.toSorted();
  };
  return { registry, take };
}

const SPEC: MirrorSpec = { name: 'base', repositories: ['app'], tags: {} };

function setUp(options: { referrers?: boolean } = {}) {
  const source = watched(memory({ referrers: options.referrers ?? false }));
  const destination = watched(memory());
  const from: MirrorEndpoint = { name: 'vendor.example', registry: source.registry, prefix: 'vendor' };
  const to: MirrorEndpoint = { name: 'here', registry: destination.registry, prefix: 'team' };
  const state = memoryState();
  const apply = (spec: Partial<MirrorSpec> = {}, more: Partial<MirrorOptions> = {}) =>
    applyMirror(
      { ...SPEC, ...spec },
      {
        source: from,
        destinations: [to],
        state,
        clock: manualClock(),
        log: silentLog(),
        call: CALL,
        limits: { retryDelayMs: 1 },
        ...more,
      },
    );
  return { source, destination, from, to, state, apply };
}

async function tagsAt(registry: Registry, repository = TEAM_APP): Promise<string[]> {
  const { value } = await registry.tags(repository, { limit: 1000 }, CALL);
  return [...value.items];
}

describe('a mirror', () => {
  test('brings what is selected, and a second run asks for no content and leaves the destination alone', async () => {
    const { source, destination, apply } = setUp();
    for (let n = 0; n < 10; n++) await push(source.registry, `${n}`, { tags: [`1.${n}`] });
    source.take();
    const first = await apply();
    expect(first).toMatchObject({ outcome: 'ok', totals: { copied: 10, failed: 0, blobsUploaded: 11, blobsRead: 11 } });
    expect(source.take()).toEqual([
      ...Array(11).fill('getBlob'),
      ...Array(10).fill('getManifest'),
      'referrers',
      'tags',
    ]);
    destination.take();

    const second = await apply();
    expect(second).toMatchObject({ outcome: 'ok', totals: { unchanged: 10, copied: 0, blobsRead: 0 } });
    expect(source.take()).toEqual([...Array(10).fill('resolveManifest'), 'tags']);
    expect(destination.take()).toEqual([]);
  });

  test('a source with the referrers API costs one request more a digest', async () => {
    const { source, apply } = setUp({ referrers: true });
    for (let n = 0; n < 3; n++) await push(source.registry, `${n}`, { tags: [`1.${n}`, `2.${n}`] });
    await apply();
    source.take();
    await apply();
    expect(source.take()).toEqual([...Array(3).fill('referrers'), ...Array(6).fill('resolveManifest'), 'tags']);
  });

  test('a tag that moved is copied again', async () => {
    const { source, destination, apply } = setUp();
    await push(source.registry, 'old', { tags: ['1'] });
    await apply();
    const moved = await push(source.registry, 'new', { tags: ['1'] });
    const result = await apply();
    expect(result.images).toMatchObject([{ status: 'copied', reason: 'moved', digest: moved.digest }]);
    const { value } = await destination.registry.resolveManifest(TEAM_APP, '1' as TagName, CALL);
    expect(value.digest).toBe(moved.digest);
  });

  test('digest tags are never selected by name', async () => {
    const { source, destination, apply } = setUp();
    await push(source.registry, 'a', { tags: ['1'] });
    await push(source.registry, 'stray', { tags: [`sha256-${'0'.repeat(64)}.sig`] });
    await apply();
    expect(await tagsAt(destination.registry)).toEqual(['1']);
  });
});

describe('news at an unchanged digest', () => {
  const KINDS = [
    { name: 'a cosign tag', referrers: false, sign: 'tag' },
    { name: 'a referrer', referrers: true, sign: 'referrer' },
    { name: 'a referrer under the fallback tag', referrers: false, sign: 'fallback' },
  ] as const;

  test.each(KINDS)('$name is copied by the next run', async ({ referrers, sign }) => {
    const { source, destination, apply } = setUp({ referrers });
    const image = await push(source.registry, 'a', { tags: ['1'] });
    await apply();
    const [sigTag = ''] = cosignTags(image.digest);
    const signature = await push(source.registry, 'sig', {
      tags: sign === 'tag' ? [sigTag] : [],
      ...(sign === 'tag' ? {} : { subject: image }),
    });
    if (sign === 'fallback') await pushIndex(source.registry, [signature], referrersTag(image.digest));
    expect((await apply()).images).toMatchObject([{ status: 'copied', reason: 'companions' }]);
    expect(
      await missingContent(destination.registry, { repository: TEAM_APP, reference: signature.digest }, CALL),
    ).toEqual([]);
    if (sign === 'tag') expect(await tagsAt(destination.registry)).toEqual(['1', sigTag]);
    else {
      const { value } = await destination.registry.referrers(TEAM_APP, image.digest, {}, CALL);
      expect(value.items.map(({ digest }) => digest)).toEqual([signature.digest]);
    }
    expect((await apply()).totals).toMatchObject({ unchanged: 1, copied: 0 });
  });
});

async function pushIndex(registry: Registry, manifests: readonly Descriptor[], tag: TagName) {
  const json = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: manifests.map(descriptorToJson) };
  const bytes = new TextEncoder().encode(JSON.stringify(json));
  await registry.putManifest(APP, bytes, { mediaType: MediaType.ociIndex, tags: [tag] }, CALL);
}

describe('selection', () => {
  const TAGS = ['1.19.0', '1.20.0', '1.21.0', '1.21.0-rc1', 'latest', 'nightly-1'];
  const CASES = [
    { name: 'all', tags: {}, want: TAGS },
    { name: 'a range of versions', tags: { semver: '>=1.20' }, want: ['1.20.0', '1.21.0'] },
    { name: 'names and globs', tags: { include: ['latest', '*-rc*'] }, want: ['1.21.0-rc1', 'latest'] },
    { name: 'a range, and a name besides', tags: { semver: '^1.21', include: ['latest'] }, want: ['1.21.0', 'latest'] },
    { name: 'exclude wins', tags: { exclude: ['*-*', 'latest'] }, want: ['1.19.0', '1.20.0', '1.21.0'] },
  ];
  test.each(CASES)('tags: $name', async ({ tags, want }) => {
    const { source, destination, apply } = setUp();
    await push(source.registry, 'a', { tags: TAGS });
    expect((await apply({ tags })).outcome).toBe('ok');
    expect(await tagsAt(destination.registry)).toEqual(want);
  });

  test('a named tag that is not there is a failure, the others come', async () => {
    const { source, destination, apply } = setUp();
    await push(source.registry, 'a', { tags: ['1'] });
    const result = await apply({ tags: { include: ['1', '2'] } });
    expect(result).toMatchObject({
      outcome: 'partly',
      problems: [{ repository: APP, error: { code: 'MANIFEST_UNKNOWN' } }],
    });
    expect(await tagsAt(destination.registry)).toEqual(['1']);
  });

  test('repositories by glob, and their names at the destination', async () => {
    const { source, destination, apply } = setUp();
    for (const repository of ['vendor/python3', 'vendor/python3/slim', 'vendor/redis', 'other/python3']) {
      await push(source.registry, 'a', { repository, tags: ['1'] });
    }
    expect((await apply({ repositories: ['python*'] })).outcome).toBe('ok');
    const listed = async () =>
      (await destination.registry.repositories({ limit: 100 }, CALL)).value.items as readonly string[];
    expect(await listed()).toEqual(['team/python3']);
    await apply({ repositories: ['**'], rewrite: 'mirrored/{name}' });
    expect(await listed()).toEqual([
      'team/mirrored/python3',
      'team/mirrored/redis',
      'team/mirrored/slim',
      'team/python3',
    ]);
  });

  test('a source without a list of repositories says to name them; named ones are copied', async () => {
    const { source, from, destination, apply } = setUp();
    await push(source.registry, 'a', { tags: ['1'] });
    const registry: Registry = {
      ...source.registry,
      repositories: async () => {
        throw new RegistryError('UNSUPPORTED', 'no catalog');
      },
    };
    const result = await apply({ repositories: ['app', 'python*'] }, { source: { ...from, registry } });
    expect(result.outcome).toBe('partly');
    expect(result.problems[0]?.error.hint).toContain('name the repositories exactly');
    expect(await tagsAt(destination.registry)).toEqual(['1']);
  });

  test('a repository that is not there is a failure', async () => {
    const { apply } = setUp();
    expect(await apply()).toMatchObject({ outcome: 'failed', problems: [{ error: { code: 'NAME_UNKNOWN' } }] });
  });
});

describe('several destinations', () => {
  test('are fed from one download; one that fails leaves the others alone', async () => {
    const { source, to, apply } = setUp();
    await push(source.registry, 'a', { tags: ['1'] });
    const broken: Registry = {
      ...memory(),
      putManifest: async () => {
        throw new RegistryError('DENIED', 'not for you');
      },
    };
    const destinations = [
      to,
      { name: 'second', registry: memory(), prefix: '' },
      { name: 'broken', registry: broken, prefix: 'x' },
    ];
    source.take();
    const result = await apply({}, { destinations });
    expect(source.take().filter((call) => call === 'getBlob')).toHaveLength(2);
    expect(result.outcome).toBe('partly');
    expect(result.images.map(({ destination, status }) => `${destination.registry} ${status}`)).toEqual([
      'broken failed',
      'here copied',
      'second copied',
    ]);
    expect(result.images[0]?.error).toMatchObject({ code: 'DENIED', origin: 'destination', registry: 'broken' });
  });
});

describe('records', () => {
  test('what moved at the destination behind our back is found by an audit, not before', async () => {
    const { source, destination, apply } = setUp();
    const image = await push(source.registry, 'a', { tags: ['1'] });
    await apply();
    await push(destination.registry, 'mischief', { repository: TEAM_APP, tags: ['1'] });
    expect((await apply()).totals).toMatchObject({ unchanged: 1 });
    expect((await apply({}, { audit: true })).images).toMatchObject([{ status: 'copied', reason: 'drift' }]);
    const { value } = await destination.registry.resolveManifest(TEAM_APP, '1' as TagName, CALL);
    expect(value.digest).toBe(image.digest);
    await destination.registry.deleteBlob(TEAM_APP, digestOf('shared layer'), CALL);
    expect((await apply({}, { audit: true })).images).toMatchObject([{ status: 'copied', reason: 'drift' }]);
    expect((await apply({}, { audit: true })).totals).toMatchObject({ unchanged: 1 });
  });

  test('that the referrers API is absent is believed for some hours', async () => {
    const { source, apply } = setUp();
    await push(source.registry, 'a', { tags: ['1'] });
    const clock = manualClock();
    await apply({}, { clock });
    source.take();
    await apply({}, { clock });
    expect(source.take()).not.toContain('referrers');
    clock.advance(13 * 60 * 60 * 1000);
    await apply({}, { clock });
    expect(source.take()).toContain('referrers');
  });

  test('an immutable tag that already stands for the digest is no failure', async () => {
    const { source, to, apply } = setUp();
    await push(source.registry, 'a', { tags: ['1'] });
    await apply();
    const immutable: Registry = {
      ...to.registry,
      putManifest: async (...args) => {
        if (args[2].tags.length > 0) throw new RegistryError('TAG_IMMUTABLE', 'never moves');
        return await to.registry.putManifest(...args);
      },
    };
    const destinations = [{ ...to, registry: immutable }];
    expect((await apply({}, { destinations, state: memoryState() })).outcome).toBe('ok');
    await push(source.registry, 'b', { tags: ['1'] });
    const blocked = await apply({}, { destinations });
    expect(blocked.images).toMatchObject([{ status: 'failed', error: { code: 'TAG_IMMUTABLE' } }]);
  });

  test('are kept in a database, for a new process', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'entrepot-mirror-'));
    const open = () =>
      openSqlite({ path: join(folder, 'state.db'), modules: [mirrorSql], writer: 'inline', log: silentLog() });
    try {
      const { source, destination, apply } = setUp();
      await push(source.registry, 'a', { tags: ['1', '2'] });
      const first: Database = await open();
      expect((await apply({}, { state: sqlState(first) })).totals.copied).toBe(2);
      await first.close();
      source.take();
      destination.take();
      const second = await open();
      expect((await apply({}, { state: sqlState(second) })).totals.unchanged).toBe(2);
      await second.close();
      expect(source.take()).toEqual(['resolveManifest', 'resolveManifest', 'tags']);
      expect(destination.take()).toEqual([]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

test('an abort ends the run cleanly: the reason is thrown, what is done is recorded', async () => {
  const { source, state, apply } = setUp();
  for (let n = 0; n < 10; n++) await push(source.registry, `${n}`, { tags: [`1.${n}`] });
  const controller = new AbortController();
  const reason = new Error('interrupted');
  const saved: string[] = [];
  const watching: MirrorState = {
    ...state,
    saveImages: async (records) => {
      saved.push(...records.map(({ tag }) => tag));
      await state.saveImages(records);
      controller.abort(reason);
    },
  };
  const call = { ...CALL, signal: controller.signal };
  await expect(apply({}, { call, state: watching, clock: systemClock() })).rejects.toBe(reason);
  expect(saved.length).toBeGreaterThan(0);
  const rest = await apply();
  expect(rest.totals.unchanged).toBe(saved.length);
  expect(rest.totals.copied).toBe(10 - saved.length);
  const digests: (Digest | undefined)[] = rest.images.map(({ digest }) => digest);
  expect(digests).not.toContain(undefined);
});
