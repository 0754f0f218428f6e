import { describe, expect, test } from 'bun:test';
import { cosignTags, digestOf, isDigest, RegistryError, type RepositoryName, type TagName } from '#core/oci';
import { systemClock } from '#core/std';
import { type Fault, faulty } from '../faulty.ts';
import { memory } from '../memory/memory.ts';
import type { Registry, Upload } from '../types.ts';
import { CopyError } from './error.ts';
import { counted, createFixture, REPO, TEST_CALL } from './fixture.ts';
import { type CopyRun, createCopyRun } from './run.ts';
import type { CopyEvent, CopyRunOptions, CopyTarget } from './types.ts';
import { missingContent } from './verify.ts';

const tag = (text: string) => text as TagName;
const name = (text: string) => text as RepositoryName;

function startRun(source: Registry, options: Partial<CopyRunOptions> = {}): CopyRun {
  return createCopyRun({
    source: { name: 'source', registry: source },
    call: TEST_CALL,
    clock: systemClock(),
    limits: { retryDelayMs: 1 },
    ...options,
  });
}

const to = (registry: Registry, options: { name?: string; repository?: string; tags?: string[] } = {}): CopyTarget => ({
  destination: { name: options.name ?? 'destination', registry },
  repository: name(options.repository ?? REPO),
  tags: (options.tags ?? ['1.0']).map(tag),
});

const missing = (registry: Registry, reference: string, repository: string = REPO) =>
  missingContent(registry, { repository: name(repository), reference: tag(reference) }, TEST_CALL);

/** Uploads that were begun and neither ended nor cancelled. */
function openUploads(inner: Registry) {
  const open = new Set<string>();
  const watch = (upload: Upload): Upload => {
    open.add(upload.id);
    return {
      id: upload.id,
      get offset() {
        return upload.offset;
      },
      append: (body, options, call) => upload.append(body, options, call),
      async commit(digest, final, call) {
        const committed = await upload.commit(digest, final, call);
        open.delete(upload.id);
        return committed;
      },
      async cancel(call) {
        open.delete(upload.id);
        await upload.cancel(call);
      },
    };
  };
  const registry: Registry = {
    ...inner,
    startUpload: async (...args) => watch(await inner.startUpload(...args)),
    async mountBlob(...args) {
      const answer = await inner.mountBlob(...args);
      return answer.kind === 'mounted' ? answer : { kind: 'upload', upload: watch(answer.upload) };
    },
  };
  return { registry, open };
}

describe('a run over many images', () => {
  test('downloads each blob once, for several images, repositories and destinations', async () => {
    const made = createFixture(memory());
    for (let n = 0; n < 10; n++)
      await made.image(`${n}`, { tags: [`1.${n}`], layers: ['a', 'b', 'c', 'd', `own ${n}`] });
    const source = counted(made.registry);
    const destinations = [memory(), memory(), memory()];
    const run = startRun(source.registry);
    await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        run.copyImage({
          repository: REPO,
          reference: tag(`1.${n}`),
          targets: destinations.map((registry, index) =>
            to(registry, { name: `d${index}`, repository: `team/app${n % 2}`, tags: [`1.${n}`] }),
          ),
        }),
      ),
    );
    expect(source.count('getBlob')).toBe(24);
    for (const registry of destinations) {
      for (let n = 0; n < 10; n++) expect(await missing(registry, `1.${n}`, `team/app${n % 2}`)).toEqual([]);
    }
  });

  test('mounts what another repository of the destination has', async () => {
    const made = createFixture(memory());
    await made.image('a', { tags: ['1.0'] });
    const destination = counted(memory());
    const run = startRun(made.registry);
    const copyTo = (repository: string) =>
      run.copyImage({ repository: REPO, reference: tag('1.0'), targets: [to(destination.registry, { repository })] });
    await copyTo('team/one');
    const second = await copyTo('team/two');
    expect(second.results[0]?.totals).toMatchObject({ blobsMounted: 2, blobsUploaded: 0 });
    const third = await copyTo('team/two');
    expect(third.results[0]?.totals).toMatchObject({ blobsSkipped: 2 });
  });

  test('uploads once to a registry that gets it in several repositories', async () => {
    const made = createFixture(memory());
    await made.image('a', { tags: ['1.0'] });
    const destination = counted(memory());
    const targets = ['one', 'two', 'three'].map((repository) => to(destination.registry, { repository }));
    const outcome = await startRun(made.registry).copyImage({ repository: REPO, reference: tag('1.0'), targets });
    expect(outcome.results.map(({ totals }) => totals.blobsUploaded).toSorted()).toEqual([0, 0, 2]);
    for (const { repository } of targets) expect(await missing(destination.registry, '1.0', repository)).toEqual([]);
  });

  test('reads a blob back from a destination where it cannot be mounted', async () => {
    const made = createFixture(memory());
    await made.image('a', { tags: ['1.0'] });
    const source = counted(made.registry);
    const inner = memory();
    const noMounts: Registry = {
      ...inner,
      mountBlob: async (repository, _digest, _options, call) => ({
        kind: 'upload',
        upload: await inner.startUpload(repository, {}, call),
      }),
    };
    const run = startRun(source.registry);
    for (const repository of ['team/one', 'team/two']) {
      await run.copyImage({ repository: REPO, reference: tag('1.0'), targets: [to(noMounts, { repository })] });
      expect(await missing(inner, '1.0', repository)).toEqual([]);
    }
    expect(source.count('getBlob')).toBe(2);
  });

  test('puts whole blobs where there are no mounts and uploads', async () => {
    const made = createFixture(memory());
    await made.image('a', { tags: ['1.0'] });
    const inner = memory();
    const unsupported = async (): Promise<never> => {
      throw new RegistryError('UNSUPPORTED', 'a folder has no uploads');
    };
    const destination: Registry = { ...inner, mountBlob: unsupported, startUpload: unsupported };
    const request = { repository: REPO, reference: tag('1.0'), targets: [to(destination)] };
    expect((await startRun(made.registry).copyImage(request)).results[0]?.totals.blobsUploaded).toBe(2);
    expect((await startRun(made.registry).copyImage(request)).results[0]?.totals.blobsUploaded).toBe(0);
  });
});

describe('several destinations', () => {
  test('one that refuses leaves the others alone, and its error says where', async () => {
    const made = createFixture(memory());
    await made.image('a', { tags: ['1.0'] });
    const source = counted(made.registry);
    const inner = memory();
    const full: Registry = {
      ...inner,
      mountBlob: async () => {
        throw new RegistryError('INSUFFICIENT_STORAGE', 'the disk is full');
      },
    };
    const events: CopyEvent[] = [];
    const healthy = memory();
    const outcome = await startRun(source.registry, { onEvent: (event) => events.push(event) }).copyImage({
      repository: REPO,
      reference: tag('1.0'),
      targets: [to(full, { name: 'full' }), to(healthy, { name: 'healthy' })],
    });
    expect(outcome.results[0]?.error).toBeInstanceOf(CopyError);
    expect(outcome.results[0]?.error).toMatchObject({
      origin: 'destination',
      registry: 'full',
      repository: REPO,
      code: 'INSUFFICIENT_STORAGE',
    });
    expect(outcome.results[1]?.error).toBeUndefined();
    expect(await missing(healthy, '1.0')).toEqual([]);
    expect(events.filter((event) => event.kind === 'failed')).toHaveLength(1);
    expect(source.count('getBlob')).toBe(2);
  });

  test('one that stalls in the middle is left behind and served alone afterwards, from one that has it', async () => {
    const made = createFixture(memory());
    await made.image('a', { tags: ['1.0'], layers: ['x'.repeat(3_000_000)] });
    const source = counted(made.registry);
    const inner = memory();
    let stalls = 1;
    const sleepy: Registry = {
      ...inner,
      async mountBlob(...args) {
        const answer = await inner.mountBlob(...args);
        if (answer.kind === 'mounted') return answer;
        const { upload } = answer;
        return {
          kind: 'upload',
          upload: {
            ...upload,
            async commit(digest, final, call) {
              if (stalls-- > 0 && final && !(final.body instanceof Uint8Array)) {
                // Takes nothing until the sender has given up.
                await Bun.sleep(200);
                for await (const _ of final.body) void _;
              }
              return await upload.commit(digest, final, call);
            },
          },
        };
      },
    };
    const healthy = memory();
    const outcome = await startRun(source.registry, {
      limits: { retryDelayMs: 1, stallMs: 20, bufferBytes: 1000 },
    }).copyImage({
      repository: REPO,
      reference: tag('1.0'),
      targets: [to(sleepy, { name: 'sleepy' }), to(healthy, { name: 'healthy' })],
    });
    expect(outcome.results.map(({ error }) => error)).toEqual([undefined, undefined]);
    expect(await missing(inner, '1.0')).toEqual([]);
    expect(await missing(healthy, '1.0')).toEqual([]);
    expect(source.count('getBlob')).toBe(2);
  });
});

describe('a source that lies', () => {
  const LIES: readonly { name: string; blob: Fault }[] = [
    { name: 'ends early as if that were all', blob: { kind: 'truncate', atByte: 3 } },
    { name: 'breaks in the middle', blob: { kind: 'cut', atByte: 3 } },
  ];
  test.each(LIES)('$name: no blob, no tag, and it is the source that is blamed', async ({ blob }) => {
    const made = createFixture(memory());
    const image = await made.image('a', { tags: ['1.0'] });
    const source = faulty(made.registry, ({ name }) => (name === 'getBlob' ? blob : undefined));
    const inner = memory();
    const destination = openUploads(inner);
    const outcome = await startRun(source).copyImage({
      repository: REPO,
      reference: tag('1.0'),
      targets: [to(destination.registry)],
    });
    expect(outcome.results[0]?.error).toMatchObject({ origin: 'source', registry: 'source' });
    expect(destination.open.size).toBe(0);
    const there = await missing(inner, image.digest).catch(() => 'no repository');
    expect(there).toEqual([{ kind: 'manifest', reference: image.digest }]);
  });

  test('another manifest than the digest asked for', async () => {
    const made = createFixture(memory());
    const image = await made.image('a', { tags: ['1.0'] });
    const other = await made.image('b');
    const source: Registry = {
      ...made.registry,
      getManifest: (repository, reference, call) =>
        made.registry.getManifest(repository, isDigest(reference) ? other.digest : reference, call),
    };
    const work = startRun(source).copyImage({ repository: REPO, reference: image.digest, targets: [to(memory())] });
    const error = await work.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ origin: 'source', code: 'DIGEST_INVALID', reference: image.digest });
  });

  test('an index that never ends is not followed', async () => {
    const made = createFixture(memory());
    let inside = await made.image('a');
    for (let depth = 0; depth < 12; depth++) inside = await made.index([inside], { tags: ['deep'] });
    const error = await startRun(made.registry)
      .copyImage({ repository: REPO, reference: tag('deep'), targets: [to(memory())] })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'MANIFEST_INVALID', origin: 'source' });
    expect((error as CopyError).why).toContain('nest deeper');
  });
});

test('a destination that lost a blob under the manifest gets it again', async () => {
  const made = createFixture(memory());
  const child = await made.image('a');
  await made.index([child], { tags: ['1.0'] });
  const inner = memory({ sparseIndex: false });
  let lost = false;
  const forgetful: Registry = {
    ...inner,
    async putManifest(repository, bytes, options, call) {
      if (options.tags.length > 0 && !lost) {
        lost = true;
        await inner.deleteManifest(repository, child.digest, call);
        await inner.deleteBlob(repository, digestOf('layer of a'), call);
      }
      return await inner.putManifest(repository, bytes, options, call);
    },
  };
  const outcome = await startRun(made.registry).copyImage({
    repository: REPO,
    reference: tag('1.0'),
    targets: [to(forgetful)],
  });
  expect(outcome.results[0]?.error).toBeUndefined();
  expect(await missing(inner, '1.0')).toEqual([]);
});

describe('finding signatures', () => {
  const manyTags = async () => {
    const made = createFixture(memory({ referrers: false }));
    const image = await made.image('a', { tags: ['1.0', ...Array.from({ length: 2500 }, (_, n) => `0.${n}`)] });
    const [sigTag = ''] = cosignTags(image.digest);
    await made.image('sig', { tags: [sigTag] });
    return { source: counted(made.registry), sigTag };
  };

  test('in a repository of very many tags: by name, once the first pages are read', async () => {
    const { source, sigTag } = await manyTags();
    const destination = memory();
    const run = startRun(source.registry, { limits: { tagPages: 2 } });
    await run.copyImage({ repository: REPO, reference: tag('1.0'), targets: [to(destination)] });
    expect(source.count('tags')).toBe(2);
    expect(await missing(destination, sigTag)).toEqual([]);
  });

  test('where tags may not be listed: by name', async () => {
    const { source, sigTag } = await manyTags();
    const denied: Registry = {
      ...source.registry,
      tags: async () => {
        throw new RegistryError('DENIED', 'not for you');
      },
    };
    const destination = memory();
    await startRun(denied).copyImage({ repository: REPO, reference: tag('1.0'), targets: [to(destination)] });
    expect(await missing(destination, sigTag)).toEqual([]);
  });

  test('an error is never read as "there is none"', async () => {
    const made = createFixture(memory());
    await made.image('a', { tags: ['1.0'] });
    for (const method of ['referrers', 'tags']) {
      const source = faulty(made.registry, ({ name }) =>
        name === method ? { kind: 'fail', error: new RegistryError('TOOMANYREQUESTS', 'slow down') } : undefined,
      );
      const { registry, open } = openUploads(memory());
      const destination = counted(registry);
      const error = await startRun(source)
        .copyImage({ repository: REPO, reference: tag('1.0'), targets: [to(destination.registry)] })
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ origin: 'source', code: 'TOOMANYREQUESTS' });
      expect(destination.count('putManifest')).toBe(0);
      expect([...open]).toEqual([]);
    }
  });
});

test('an abort ends a copy with no upload left open and no tag', async () => {
  const made = createFixture(memory());
  await made.image('a', { tags: ['1.0'], layers: ['x'.repeat(100_000), 'y'.repeat(100_000)] });
  const inner = memory();
  const destination = openUploads(inner);
  const controller = new AbortController();
  const reason = new Error('interrupted');
  const run = startRun(made.registry, {
    call: { ...TEST_CALL, signal: controller.signal },
    onEvent: (event) => {
      if (event.kind === 'blob-started') controller.abort(reason);
    },
  });
  await expect(
    run.copyImage({ repository: REPO, reference: tag('1.0'), targets: [to(destination.registry)] }),
  ).rejects.toBe(reason);
  expect(destination.open.size).toBe(0);
  const tags = await inner.tags(REPO, { limit: 10 }, TEST_CALL).catch(() => undefined);
  expect(tags?.value.items ?? []).toEqual([]);
});
