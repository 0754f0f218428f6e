import { afterEach, describe, expect, test } from 'bun:test';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hexOf, MediaType, type RepositoryName } from '#core/oci';
import {
  bytesOf,
  expectCode,
  pushImage,
  pushManifest,
  repo,
  sampleBlob,
  sampleImage,
  sampleIndex,
  tag,
  testCall,
} from '#core/registry/contract';
import { type Clock, systemClock } from '#core/std';
import { diskFs } from './disk-fs.ts';
import { layoutOf } from './layout.ts';
import { damageManifests, type FreshStore, freshStore, type OpenStoreOptions } from './testing/mod.ts';

const name = repo('team/app');
const other = repo('team/other');
const call = testCall();
const now = { graceMs: 0 };
const open: FreshStore[] = [];

/** Real time (files have it), moved on by tests; pauses take no time. */
const testClock = () => {
  let aheadMs = 0;
  const clock: Clock = { now: () => systemClock().now() + aheadMs, sleep: async () => {} };
  return {
    clock,
    advance(byMs: number) {
      aheadMs += byMs;
    },
  };
};
const fresh = async (options: OpenStoreOptions = {}) => {
  const fixture = await freshStore({ clock: testClock().clock, ...options });
  open.push(fixture);
  return fixture;
};
afterEach(async () => {
  for (const fixture of open.splice(0)) await fixture.dispose();
});
const blobFiles = (fixture: FreshStore) =>
  ['sha256', 'sha512'].flatMap((algorithm) =>
    readdirSync(join(fixture.path, 'blobs', algorithm)).flatMap((shard) =>
      readdirSync(join(fixture.path, 'blobs', algorithm, shard)),
    ),
  );
const loose = sampleBlob('loose', 1000);

describe('gc', () => {
  test('reclaims what no manifest references, and nothing else', async () => {
    const { store, ...fixture } = await fresh();
    const image = sampleImage('kept');
    await pushImage(store, name, image, { tags: ['v1'] });
    await store.putBlob(name, loose, loose.bytes, call);
    expect(await store.gcPlan(now)).toMatchObject({ blobLinks: 1, blobs: 1, blobBytes: 1000, orphanFiles: 0 });
    expect(await store.gcRun(now)).toEqual({ manifests: 0, blobLinks: 1, blobs: 1, files: 1, fileBytes: 1000 });
    await expectCode(store.resolveBlob(name, loose.digest, call), 'BLOB_UNKNOWN');
    for (const { digest, bytes } of image.blobs) {
      expect(await bytesOf(await store.getBlob(name, digest, {}, call))).toEqual(bytes);
    }
    expect(readdirSync(join(fixture.path, 'trash'))).toEqual([]);
    expect(await store.gcRun(now)).toEqual({ manifests: 0, blobLinks: 0, blobs: 0, files: 0, fileBytes: 0 });
  });

  test('leaves alone what is younger than the grace period', async () => {
    const { clock, advance } = testClock();
    const { store } = await fresh({ clock });
    await store.putBlob(name, loose, loose.bytes, call);
    expect((await store.gcRun({ graceMs: 60_000 })).blobLinks).toBe(0);
    advance(120_000);
    expect((await store.gcRun({ graceMs: 60_000 })).blobs).toBe(1);
  });

  for (const { title, renew } of [
    { title: 'a push', renew: (store: FreshStore['store']) => store.putBlob(name, loose, loose.bytes, call) },
    {
      title: 'a mount',
      renew: (store: FreshStore['store']) =>
        store.mountBlob(name, loose.digest, { from: name, mayRead: () => true }, call),
    },
    {
      title: 'the question whether it is here',
      renew: (store: FreshStore['store']) => store.resolveBlob(name, loose.digest, call),
    },
  ]) {
    test(`${title} renews a blob's grace`, async () => {
      const { clock, advance } = testClock();
      const { store } = await fresh({ clock });
      await store.putBlob(name, loose, loose.bytes, call);
      advance(120_000);
      await renew(store);
      expect((await store.gcRun({ graceMs: 60_000 })).blobLinks).toBe(0);
      advance(120_000);
      expect((await store.gcRun({ graceMs: 60_000 })).blobs).toBe(1);
    });
  }

  test('keeps a blob that another repository uses, and unlinks it where nothing does', async () => {
    const { store } = await fresh();
    const image = sampleImage('shared');
    await pushImage(store, name, image, { tags: ['v1'] });
    const layer = image.blobs[1];
    if (!layer) throw new Error('the sample has a layer');
    await store.putBlob(other, layer, layer.bytes, call);
    expect(await store.gcRun(now)).toMatchObject({ blobLinks: 1, blobs: 0, files: 0 });
    await expectCode(store.resolveBlob(other, layer.digest, call), 'BLOB_UNKNOWN');
    expect((await store.resolveBlob(name, layer.digest, call)).value.size).toBe(layer.bytes.byteLength);
  });

  test('untagged manifests stay unless asked for; then what leads nowhere goes', async () => {
    const { store } = await fresh();
    const [tagged, child, dropped, subject] = ['tagged', 'child', 'dropped', 'subject'].map((seed) =>
      sampleImage(seed),
    );
    if (!tagged || !child || !dropped || !subject) throw new Error('there are four');
    await pushImage(store, name, tagged, { tags: ['v1'] });
    await pushImage(store, name, child);
    await pushManifest(store, name, sampleIndex([child]), { tags: ['multi'] });
    await pushImage(store, name, sampleImage('signature', { subject: tagged.descriptor }));
    await pushImage(store, name, dropped);
    await pushImage(store, name, sampleImage('of dropped', { subject: dropped.descriptor }));
    expect((await store.gcRun(now)).manifests).toBe(0);
    expect((await store.gcPlan({ ...now, untagged: true })).manifests).toBe(2);
    const report = await store.gcRun({ ...now, untagged: true });
    expect(report).toMatchObject({ manifests: 2, blobs: 6 });
    await expectCode(store.getManifest(name, dropped.descriptor.digest, call), 'MANIFEST_UNKNOWN');
    for (const kept of [tagged, child]) await store.getManifest(name, kept.descriptor.digest, call);
    expect((await store.referrers(name, tagged.descriptor.digest, {}, call)).value.items).toHaveLength(1);
  });

  test('a blob deleted from its repository that a manifest names comes back with a push', async () => {
    const { store } = await fresh();
    const image = sampleImage('holed');
    await pushImage(store, name, image, { tags: ['v1'] });
    await store.deleteBlob(name, image.config.digest, call);
    expect((await store.gcRun(now)).blobs).toBe(1);
    await store.putBlob(name, image.config, image.config.bytes, call);
    expect((await store.gcRun(now)).blobs).toBe(0);
    expect(await bytesOf(await store.getBlob(name, image.config.digest, {}, call))).toEqual(image.config.bytes);
  });

  test('removes files that a crash left without a row', async () => {
    const { store, path } = await fresh();
    await store.putBlob(name, loose, loose.bytes, call);
    const orphan = sampleBlob('orphan', 77);
    const layout = layoutOf(path);
    await diskFs().mkdir(layout.blobFolder(orphan.digest));
    writeFileSync(layout.blob(orphan.digest), orphan.bytes);
    writeFileSync(join(layout.trash, 'left-by-a-crash'), 'trash');
    expect(await store.gcPlan({ graceMs: 0 })).toMatchObject({ orphanFiles: 1, orphanBytes: 77 });
    expect((await store.gcRun({ graceMs: 60_000 })).files).toBe(1);
    expect((await store.gcRun(now)).files).toBe(2);
    expect(readdirSync(layout.trash)).toEqual([]);
  });

  test('keeps the newest entries of a tag’s history', async () => {
    const fixture = await fresh({ limits: { historyPerTag: 2 } });
    for (const seed of ['a', 'b', 'c', 'd'])
      await pushImage(fixture.store, name, sampleImage(seed), { tags: ['latest'] });
    await fixture.store.deleteTag(name, tag('latest'), call);
    await fixture.store.gcRun();
    const rows = await fixture.database.read('SELECT digest FROM tag_history ORDER BY id');
    expect(rows).toEqual([{ digest: sampleImage('d').descriptor.digest }, { digest: null }]);
  });

  test('stops when told to', async () => {
    const { store } = await fresh();
    await store.putBlob(name, loose, loose.bytes, call);
    const stopped = await store
      .gcRun({ ...now, signal: AbortSignal.abort(new Error('enough')) })
      .catch((error: Error) => error.message);
    expect(stopped).toBe('enough');
  });
});

describe('gc while pushes go on', () => {
  test('never breaks a push: an acknowledged manifest has all its blobs', async () => {
    const { store, ...fixture } = await fresh({ writer: new URL('./testing/writer.ts', import.meta.url) });
    let pushing = true;
    let pauseMs = 1;
    const collect = async () => {
      let runs = 0;
      while (pushing) {
        await store.gcRun(now);
        runs++;
        // No grace at all could refuse a push for ever on a busy machine: the more often, the longer it waits.
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
        pauseMs = 1;
      }
      return runs;
    };
    // Each has a repository of its own, and all push the same few images: content is shared, links are not.
    const push = async (worker: number) => {
      for (let round = 0; round < 25; round++) {
        await pushAsClientsDo(store, {
          name: repo(`team/worker${worker}`),
          seed: `${(worker + round) % 4}`,
          onRefused: (attempt) => {
            pauseMs = Math.max(pauseMs, attempt * 5);
          },
        });
      }
    };
    const collecting = collect();
    await Promise.all([0, 1, 2].map(push));
    pushing = false;
    expect(await collecting).toBeGreaterThan(3);
    expect((await store.scrub()).damaged).toEqual([]);
    await store.gcRun(now);
    const kept = await store.usage();
    expect(blobFiles(fixture as FreshStore)).toHaveLength(kept.blobs);
  }, 60_000);

  type Pushed = {
    readonly name: RepositoryName;
    readonly seed: string;
    readonly onRefused: (attempt: number) => void;
  };
  /** Asks before it pushes; with no grace at all the manifest may be refused, which a client answers by pushing again. */
  async function pushAsClientsDo(store: FreshStore['store'], { name, seed, onRefused }: Pushed): Promise<void> {
    const image = sampleImage(seed);
    for (let attempt = 0; ; attempt++) {
      for (const { digest, bytes } of image.blobs) {
        const here = await store.resolveBlob(name, digest, call).catch(() => undefined);
        if (!here) await store.putBlob(name, { digest }, bytes, call);
      }
      const put = await pushManifest(store, name, image, { tags: [`t${seed}`] }).catch(
        (error: { code: string }) => error,
      );
      if (!('code' in put)) break;
      expect(put.code).toBe('MANIFEST_BLOB_UNKNOWN');
      expect(attempt).toBeLessThan(50);
      onRefused(attempt);
    }
    for (const { digest, bytes } of image.blobs) {
      expect(await bytesOf(await store.getBlob(name, digest, {}, call))).toEqual(bytes);
    }
    await store.deleteManifest(name, image.descriptor.digest, call).catch(() => {});
  }

  test('two runs at once reclaim the same content once', async () => {
    const { store } = await fresh({ writer: new URL('./testing/writer.ts', import.meta.url) });
    const blobs = Array.from({ length: 40 }, (_, index) => sampleBlob(`loose ${index}`, 100));
    for (const blob of blobs) await store.putBlob(name, blob, blob.bytes, call);
    const reports = await Promise.all([store.gcRun(now), store.gcRun(now)]);
    expect(reports[0].files + reports[1].files).toBe(blobs.length);
    expect((await store.usage()).blobs).toBe(0);
  });

  test('a file put in place by a push is not taken by the gc that dropped the blob before', async () => {
    // gc has dropped the row and waits for readers when the push comes.
    const waiting = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const clock: Clock = {
      now: () => systemClock().now(),
      sleep: async (delayMs) => {
        if (delayMs === 0) return;
        waiting.resolve();
        await go.promise;
      },
    };
    const { store, path } = await fresh({ clock });
    await store.putBlob(name, loose, loose.bytes, call);
    const run = store.gcRun(now);
    await waiting.promise;
    await store.putBlob(name, loose, loose.bytes, call);
    go.resolve();
    expect(await run).toMatchObject({ blobs: 1, files: 0 });
    expect(await bytesOf(await store.getBlob(name, loose.digest, {}, call))).toEqual(loose.bytes);
    expect(await diskFs().stat(layoutOf(path).blob(loose.digest))).toBeDefined();
  });

  test('somebody who asks while a link is being dropped hears the outcome', async () => {
    const dropping = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    let armed = false;
    const { store } = await fresh({
      writePoint: async (point) => {
        if (!armed || point !== 'sql:commit:before') return;
        dropping.resolve();
        await go.promise;
      },
    });
    await store.putBlob(name, loose, loose.bytes, call);
    // Only the commits of the run are held up.
    const run = store.gcRun(now);
    armed = true;
    await dropping.promise;
    const asked = store.resolveBlob(name, loose.digest, call).then(
      () => 'here',
      (error: { code: string }) => error.code,
    );
    go.resolve();
    await run;
    expect(['here', 'BLOB_UNKNOWN']).toContain(await asked);
    const left = await store.resolveBlob(name, loose.digest, call).then(
      () => 'here',
      (error: { code: string }) => error.code,
    );
    expect(left).toBe(await asked);
  });
});

describe('scrub', () => {
  const damage = async (
    fixture: FreshStore,
    digest: ReturnType<typeof sampleBlob>['digest'],
    content: string | undefined,
  ) => {
    const path = layoutOf(fixture.path).blob(digest);
    if (content === undefined) await diskFs().unlink(path);
    else writeFileSync(path, content);
  };

  for (const { title, content, reason } of [
    { title: 'changed bytes', content: 'x'.repeat(1000), reason: 'wrong-digest' },
    { title: 'a short file', content: 'x', reason: 'wrong-size' },
    { title: 'a lost file', content: undefined, reason: 'missing' },
  ]) {
    test(`finds ${title}; a push repairs it in every repository`, async () => {
      const fixture = await fresh();
      const { store } = fixture;
      await store.putBlob(name, loose, loose.bytes, call);
      await store.mountBlob(other, loose.digest, { from: name, mayRead: () => true }, call);
      await damage(fixture, loose.digest, content);
      const report = await store.scrub();
      expect(report).toMatchObject({ blobs: 1, blobBytes: 1000, manifests: 0 });
      expect(report.damaged).toEqual([
        { kind: 'blob', digest: loose.digest, reason: reason as 'missing', repositories: [name, other], caches: [] },
      ]);
      await expectCode(store.getBlob(name, loose.digest, {}, call), 'BLOB_UNKNOWN');
      await expectCode(store.resolveBlob(other, loose.digest, call), 'BLOB_UNKNOWN');
      expect(readdirSync(join(fixture.path, 'quarantine'))).toHaveLength(content === undefined ? 0 : 1);
      expect((await store.scrub()).damaged).toEqual([]);
      await store.putBlob(name, loose, loose.bytes, call);
      expect(await bytesOf(await store.getBlob(other, loose.digest, {}, call))).toEqual(loose.bytes);
    });
  }

  test('a damaged file is not served before a scrub finds it, and a push replaces it', async () => {
    const fixture = await fresh();
    await fixture.store.putBlob(name, loose, loose.bytes, call);
    await damage(fixture, loose.digest, 'short');
    await expectCode(fixture.store.getBlob(name, loose.digest, {}, call), 'BLOB_UNKNOWN');
    await fixture.store.putBlob(name, loose, loose.bytes, call);
    expect(await bytesOf(await fixture.store.getBlob(name, loose.digest, {}, call))).toEqual(loose.bytes);
  });

  test('finds a damaged manifest; a push brings back its tags', async () => {
    const fixture = await fresh();
    const image = sampleImage('damaged');
    await pushImage(fixture.store, name, image, { tags: ['v1'] });
    await damageManifests(fixture);
    const { store } = fixture;
    const report = await store.scrub();
    expect(report.damaged).toEqual([
      { kind: 'manifest', digest: image.descriptor.digest, reason: 'wrong-digest', repositories: [name], caches: [] },
    ]);
    await expectCode(store.getManifest(name, tag('v1'), call), 'MANIFEST_UNKNOWN');
    await store.putManifest(name, image.bytes, { mediaType: MediaType.ociManifest, tags: [] }, call);
    expect((await store.getManifest(name, tag('v1'), call)).value.bytes).toEqual(image.bytes);
  });

  test('reads no faster than told', async () => {
    const sleeps: number[] = [];
    const startMs = Date.now();
    const clock: Clock = { now: () => startMs, sleep: async (delayMs) => void sleeps.push(delayMs) };
    const { store } = await fresh({ clock });
    await store.putBlob(name, loose, loose.bytes, call);
    await store.scrub({ bytesPerSecond: 500 });
    expect(Math.max(...sleeps)).toBe(2000);
  });
});

test('a blob path tells its digest', () => {
  expect(layoutOf('/data').blob(loose.digest)).toBe(
    `/data/blobs/sha256/${hexOf(loose.digest).slice(0, 2)}/${hexOf(loose.digest)}`,
  );
});
