import { afterEach, describe, expect, test } from 'bun:test';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesOf, expectCode, repo, sampleBlob, streamInPieces, testCall } from '#core/registry/contract';
import { manualClock, streamFrom } from '#core/std';
import { diskFs } from './disk-fs.ts';
import { type FreshStore, freshStore, type OpenStoreOptions, withWritePoints } from './testing/mod.ts';

const name = repo('team/app');
const call = testCall();
const open: FreshStore[] = [];
const fresh = async (options?: OpenStoreOptions) => {
  const store = await freshStore(options);
  open.push(store);
  return store;
};
afterEach(async () => {
  for (const store of open.splice(0)) await store.dispose();
});
const filesIn = (fixture: FreshStore, folder: string) => readdirSync(join(fixture.path, folder)).sort();
const blob = sampleBlob('resumed', 100_000);
const piece = (start: number, end: number) => blob.bytes.subarray(start, end);

describe('an upload over a restart', () => {
  for (const algorithm of ['sha256', 'sha512'] as const) {
    test(`goes on where it was (${algorithm})`, async () => {
      const content = sampleBlob('resumed', 100_000, algorithm);
      const fixture = await fresh();
      const { id } = await fixture.store.startUpload(name, { algorithm }, call);
      await (await fixture.store.openUpload(name, id, call)).append(content.bytes.subarray(0, 60_000), {}, call);
      await fixture.reopen();
      const upload = await fixture.store.openUpload(name, id, call);
      expect(upload.offset).toBe(60_000);
      await upload.append(content.bytes.subarray(60_000, 90_000), { start: 60_000 }, call);
      await fixture.reopen();
      const again = await fixture.store.openUpload(name, id, call);
      await again.commit(content.digest, { body: content.bytes.subarray(90_000) }, call);
      expect(await bytesOf(await fixture.store.getBlob(name, content.digest, {}, call))).toEqual(content.bytes);
      expect(filesIn(fixture, 'uploads')).toEqual([]);
    });
  }

  test('still belongs to its principal and repository', async () => {
    const fixture = await fresh();
    const { id } = await fixture.store.startUpload(name, {}, call);
    await fixture.reopen();
    const mallory = testCall({ principal: { kind: 'person', name: 'mallory' } });
    await expectCode(fixture.store.openUpload(name, id, mallory), 'BLOB_UPLOAD_UNKNOWN');
    await expectCode(fixture.store.openUpload(repo('team/other'), id, call), 'BLOB_UPLOAD_UNKNOWN');
    expect((await fixture.store.openUpload(name, id, call)).offset).toBe(0);
  });

  test('is one, however many ask for it at once', async () => {
    const fixture = await fresh();
    const { id } = await fixture.store.startUpload(name, {}, call);
    await fixture.reopen();
    const [left, right] = await Promise.all([1, 2].map(() => fixture.store.openUpload(name, id, call)));
    await left?.append(piece(0, 10), {}, call);
    expect(right?.offset).toBe(10);
  });

  test('files that no upload owns are swept at start', async () => {
    const fixture = await fresh();
    const { id } = await fixture.store.startUpload(name, {}, call);
    await (await fixture.store.openUpload(name, id, call)).append(piece(0, 10), {}, call);
    writeFileSync(join(fixture.path, 'uploads', 'left-by-a-crash'), 'half a blob');
    await fixture.reopen();
    expect(filesIn(fixture, 'uploads')).toEqual([id]);
  });
});

describe('an upload that breaks', () => {
  const breaking = (sizeBytes: number) =>
    streamFrom(
      (async function* () {
        yield piece(0, sizeBytes);
        throw new Error('the client has gone');
      })(),
    );

  test('keeps what arrived, and goes on from there', async () => {
    const fixture = await fresh();
    const upload = await fixture.store.startUpload(name, {}, call);
    const broken = await upload.append(breaking(5000), {}, call).catch((error: Error) => error.message);
    expect(broken).toBe('the client has gone');
    expect(upload.offset).toBe(5000);
    await upload.append(piece(5000, 100_000), { start: 5000 }, call);
    await upload.commit(blob.digest, undefined, call);
    expect(await bytesOf(await fixture.store.getBlob(name, blob.digest, {}, call))).toEqual(blob.bytes);
  });

  test('as a whole blob leaves nothing', async () => {
    const fixture = await fresh();
    const broken = await fixture.store
      .putBlob(name, { digest: blob.digest }, breaking(5000), call)
      .catch(() => 'broken');
    expect(broken).toBe('broken');
    await fixture.store.close();
    expect(filesIn(fixture, 'uploads')).toEqual([]);
    await expectCode(fixture.store.resolveBlob(name, blob.digest, call), 'NAME_UNKNOWN');
  });

  test('by cancellation while bytes come is unknown to the one who sends them', async () => {
    const fixture = await fresh();
    const upload = await fixture.store.startUpload(name, {}, call);
    const gate = Promise.withResolvers<void>();
    const body = streamFrom(
      (async function* () {
        yield piece(0, 10);
        await gate.promise;
        yield piece(10, 20);
      })(),
    );
    const append = upload.append(body, {}, call).catch((error: { code: string }) => error.code);
    await Bun.sleep(5);
    await upload.cancel(call);
    gate.resolve();
    expect(await append).toBe('BLOB_UPLOAD_UNKNOWN');
    expect(filesIn(fixture, 'uploads')).toEqual([]);
  });
});

describe('bounds of uploads', () => {
  test('an idle one expires, a used one stays', async () => {
    const clock = manualClock(Date.now());
    const fixture = await fresh({ clock, limits: { uploadIdleMs: 1000 } });
    const idle = await fixture.store.startUpload(name, {}, call);
    await idle.append(piece(0, 10), {}, call);
    clock.advance(800);
    const used = await fixture.store.startUpload(name, {}, call);
    clock.advance(800);
    expect(await fixture.store.expireUploads()).toBe(1);
    await expectCode(fixture.store.openUpload(name, idle.id, call), 'BLOB_UPLOAD_UNKNOWN');
    expect(await used.append(piece(0, 10), {}, call)).toBe(10);
    expect(filesIn(fixture, 'uploads')).toEqual([used.id]);
  });

  test('one of an earlier process expires by the age of its file', async () => {
    const clock = manualClock(Date.now());
    const fixture = await fresh({ clock, limits: { uploadIdleMs: 60_000 } });
    const upload = await fixture.store.startUpload(name, {}, call);
    await upload.append(piece(0, 10), {}, call);
    await fixture.reopen();
    expect(filesIn(fixture, 'uploads')).toEqual([upload.id]);
    clock.advance(120_000);
    await fixture.reopen();
    expect(filesIn(fixture, 'uploads')).toEqual([]);
    await expectCode(fixture.store.openUpload(name, upload.id, call), 'BLOB_UPLOAD_UNKNOWN');
  });

  test('too many at once are refused, and room comes back', async () => {
    const fixture = await fresh({ limits: { uploads: 2 } });
    const first = await fixture.store.startUpload(name, {}, call);
    await fixture.store.startUpload(name, {}, call);
    await expectCode(fixture.store.startUpload(name, {}, call), 'TOOMANYREQUESTS');
    await first.cancel(call);
    await fixture.store.startUpload(name, {}, call);
  });

  test('a blob beyond the limit is BLOB_TOO_LARGE', async () => {
    const fixture = await fresh({ limits: { blobBytes: 1000 } });
    const body = streamInPieces(piece(0, 1001), 100);
    await expectCode(fixture.store.putBlob(name, { digest: blob.digest }, body, call), 'BLOB_TOO_LARGE');
  });

  test('a blob that is stored already is stored once', async () => {
    const fixture = await fresh();
    for (const repository of ['team/app', 'team/other', 'team/app']) {
      await fixture.store.putBlob(repo(repository), { digest: blob.digest }, blob.bytes, call);
    }
    await fixture.store.close();
    expect(filesIn(fixture, 'uploads')).toEqual([]);
    expect(await fixture.store.usage()).toMatchObject({ blobs: 1, blobBytes: 100_000, repositories: 2 });
  });

  test('the same blob pushed many times at once is stored once', async () => {
    const fixture = await fresh();
    const push = () => fixture.store.putBlob(name, { digest: blob.digest }, streamInPieces(blob.bytes, 7000), call);
    await Promise.all(Array.from({ length: 8 }, push));
    await fixture.store.close();
    expect(filesIn(fixture, 'uploads')).toEqual([]);
    expect(await bytesOf(await fixture.store.getBlob(name, blob.digest, {}, call))).toEqual(blob.bytes);
  });
});

describe('an upload that is being committed', () => {
  /** A store whose disk takes its time over one `datasync` once it is told to. */
  async function commitSlowly() {
    const reached = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    let armed = false;
    const fs = withWritePoints(diskFs(), '/', async (point) => {
      if (!armed || !(point.startsWith('fs:datasync') && point.endsWith('after'))) return;
      armed = false;
      reached.resolve();
      await go.promise;
    });
    const { store, database } = await fresh({ fs, writer: new URL('./testing/writer.ts', import.meta.url) });
    const upload = await store.startUpload(name, {}, call);
    await upload.append(piece(0, 60_000), {}, call);
    // Its row is written without anybody waiting.
    while ((await database.read('SELECT id FROM uploads')).length === 0) await Bun.sleep(1);
    armed = true;
    const committed = upload.commit(blob.digest, { body: piece(60_000, 100_000) }, call);
    await reached.promise;
    return { store, id: upload.id, committed, go: () => go.resolve() };
  }

  for (const { title, act } of [
    {
      title: 'a chunk',
      act: async (store: FreshStore['store'], id: string) =>
        await (await store.openUpload(name, id, call)).append(piece(0, 100), {}, call),
    },
    {
      title: 'the same commit once more',
      act: async (store: FreshStore['store'], id: string) =>
        await (await store.openUpload(name, id, call)).commit(blob.digest, { body: piece(60_000, 100_000) }, call),
    },
  ]) {
    test(`takes nothing any more: ${title}`, async () => {
      const { store, id, committed, go } = await commitSlowly();
      await expectCode(act(store, id), 'BLOB_UPLOAD_INVALID');
      go();
      await committed;
      expect(await bytesOf(await store.getBlob(name, blob.digest, {}, call))).toEqual(blob.bytes);
      await expectCode(store.openUpload(name, id, call), 'BLOB_UPLOAD_UNKNOWN');
    });
  }

  test('is unknown as soon as it is cancelled', async () => {
    const { store } = await fresh({ writer: new URL('./testing/writer.ts', import.meta.url) });
    const upload = await store.startUpload(name, {}, call);
    await upload.append(piece(0, 10), {}, call);
    await upload.cancel(call);
    await expectCode(store.openUpload(name, upload.id, call), 'BLOB_UPLOAD_UNKNOWN');
  });
});
