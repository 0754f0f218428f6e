import { afterEach, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import {
  bytesOf,
  expectCode,
  pushImage,
  repo,
  type SampleBlob,
  type SampleImage,
  sampleImage,
  sampleIndex,
  tag,
  testCall,
} from '#core/registry/contract';
import { defineCommand, openSqlite } from '#core/sql';
import { type Clock, silentLog, systemClock } from '#core/std';
import { storeModule } from './catalog/module.ts';
import { diskFs } from './disk-fs.ts';
import { openFolder } from './folder.ts';
import { layoutOf } from './layout.ts';
import { damageManifests, type FreshStore, freshStore, openStore, temporaryFolder } from './testing/mod.ts';

const [redis, team] = [repo('hub/library/redis'), repo('team/app')];
const call = testCall();
const image = sampleImage('kept');

let fixture: FreshStore;
const made: FreshStore[] = [];
afterEach(async () => {
  for (const each of made.splice(0)) await each.dispose();
});

async function fresh(): Promise<void> {
  fixture = await freshStore({ clock });
  made.push(fixture);
}

const clock: Clock = { now: () => systemClock().now(), sleep: async () => {} };

async function fetched(blob: SampleBlob): Promise<void> {
  const part = await fixture.store.cache.parts.open(blob.digest);
  await part.append(blob.bytes.slice());
  await part.commit([redis], blob.bytes.byteLength);
}

async function pulled({ descriptor, bytes, blobs }: SampleImage, tags: readonly string[] = []): Promise<void> {
  const options = { mediaType: descriptor.mediaType, tags: tags.map(tag) };
  await fixture.store.cache.keepManifest(redis, bytes, options);
  for (const blob of blobs) await fetched(blob);
}

function damage({ digest }: SampleBlob): void {
  writeFileSync(layoutOf(fixture.path).blob(digest), 'damaged');
}

describe('gc --untagged', () => {
  test('leaves what a cache keeps by use alone, and takes what was pushed', async () => {
    await fresh();
    const pushed = sampleImage('pushed');
    await pulled(image);
    await pushImage(fixture.store, team, pushed);
    await Bun.sleep(2);
    expect(await fixture.store.gcPlan({ graceMs: 0, untagged: true })).toMatchObject({ manifests: 1 });
    expect(await fixture.store.gcRun({ graceMs: 0, untagged: true })).toMatchObject({ manifests: 1, blobs: 3 });
    const found = await fixture.store.getManifest(redis, image.descriptor.digest, call);
    expect(found.value.bytes).toEqual(image.bytes);
    for (const { digest, bytes } of image.blobs) {
      expect(await bytesOf(await fixture.store.getBlob(redis, digest, {}, call))).toEqual(bytes);
    }
  });

  test('what is pushed over what was kept is the pusher’s', async () => {
    await fresh();
    await pulled(image, ['1']);
    await pushImage(fixture.store, redis, image);
    const evicted = await fixture.store.cache.evict(repo('hub'), { targetBytes: 0, isPinned: () => false });
    expect(evicted).toEqual({ bytes: 0, manifests: 0, blobs: 0 });
  });
});

describe('a scrub that finds damage', () => {
  test('in what a cache keeps forgets it; it is fetched again', async () => {
    await fresh();
    await pulled(image, ['1']);
    damage(image.config);
    const report = await fixture.store.scrub();
    expect(report.damaged).toEqual([]);
    expect(report.forgotten).toMatchObject([
      { kind: 'blob', digest: image.config.digest, repositories: [], caches: [redis] },
    ]);
    await expectCode(fixture.store.resolveBlob(redis, image.config.digest, call), 'BLOB_UNKNOWN');
    await fetched(image.config);
    expect(await bytesOf(await fixture.store.getBlob(redis, image.config.digest, {}, call))).toEqual(
      image.config.bytes,
    );
  });

  test('in what is pushed too says who has to push again', async () => {
    await fresh();
    await pulled(image);
    await pushImage(fixture.store, team, image);
    damage(image.config);
    const report = await fixture.store.scrub();
    expect(report.damaged).toMatchObject([{ repositories: [team], caches: [redis] }]);
    expect(report.forgotten).toEqual([]);
  });

  test('in a manifest of a cache forgets it', async () => {
    await fresh();
    await pulled(image, ['1']);
    await damageManifests(fixture);
    const report = await fixture.store.scrub();
    expect(report.forgotten).toMatchObject([{ kind: 'manifest', caches: [redis] }]);
    await expectCode(fixture.store.getManifest(redis, tag('1'), call), 'MANIFEST_UNKNOWN');
    await pulled(image, ['1']);
    expect((await fixture.store.getManifest(redis, tag('1'), call)).value.bytes).toEqual(image.bytes);
  });

  test('damage that is met before a scrub is not served, found or linked', async () => {
    await fresh();
    await pulled(image);
    damage(image.config);
    const { cache } = fixture.store;
    await expectCode(fixture.store.getBlob(redis, image.config.digest, {}, call), 'BLOB_UNKNOWN');
    expect(await cache.findBlob(image.config.digest)).toBeUndefined();
    expect(await cache.linkBlob(team, image.config.digest)).toBeUndefined();
    await fetched(image.config);
    expect(await cache.linkBlob(team, image.config.digest)).toMatchObject({ size: image.config.bytes.byteLength });
  });
});

test('the catalog of a release without caches opens; what it holds is nobody’s to evict', async () => {
  const folder = temporaryFolder();
  const { descriptor, bytes } = sampleIndex([]);
  const fill = defineCommand('test.fill', async (tx) => {
    await tx.run('INSERT INTO repositories (id, name, created_at_ms) VALUES (1, ?, 0)', [redis]);
    await tx.run('INSERT INTO manifests (id, digest, size_bytes, available, bytes) VALUES (1, ?, ?, 1, ?)', [
      descriptor.digest,
      bytes.byteLength,
      bytes,
    ]);
    await tx.run(
      'INSERT INTO manifest_links (repository_id, manifest_id, media_type, pushed_at_ms) VALUES (1, 1, ?, 0)',
      [descriptor.mediaType],
    );
  });
  const opened = await openFolder(folder.path, diskFs());
  const first = { name: storeModule.name, migrations: storeModule.migrations.slice(0, 1), commands: [fill] };
  const path = opened.layout.catalog;
  const before = await openSqlite({ path, modules: [first], writer: 'inline', log: silentLog() });
  await before.write(fill, undefined);
  await before.close();
  opened.release();
  const { store, close } = await openStore(folder.path, { clock });
  store.cache.touch(redis, descriptor.digest);
  const evicted = await store.cache.evict(repo('hub'), { targetBytes: 0, isPinned: () => false });
  expect(evicted.manifests).toBe(0);
  expect((await store.getManifest(redis, descriptor.digest, call)).value.bytes).toEqual(bytes);
  await close();
  folder.dispose();
});
