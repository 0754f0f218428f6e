import { afterEach, describe, expect, test } from 'bun:test';
import { readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '#core/oci';
import { bytesOf, expectCode, repo, type SampleBlob, sampleBlob, testCall } from '#core/registry/contract';
import { type Clock, systemClock } from '#core/std';
import { diskFs } from './disk-fs.ts';
import { type FreshStore, freshStore, type OpenStoreOptions } from './testing/mod.ts';

const redis = repo('hub/library/redis');
const call = testCall();
const blob = sampleBlob('part', 3_000_000);

const opened: FreshStore[] = [];
afterEach(async () => {
  for (const fixture of opened.splice(0)) await fixture.dispose();
});

async function fresh(options: OpenStoreOptions = {}): Promise<FreshStore> {
  const fixture = await freshStore(options);
  opened.push(fixture);
  return fixture;
}

/** Some of a blob, as a flight that breaks off leaves it. */
async function leave({ store }: FreshStore, { digest, bytes }: SampleBlob, sizeBytes: number): Promise<void> {
  const part = await store.cache.parts.open(digest);
  await part.append(bytes.slice(part.offset, sizeBytes));
  await part.close();
}

const filesOf = ({ path }: FreshStore) => readdirSync(join(path, 'parts')).sort();
const fileOf = ({ digest }: SampleBlob, length: number) => `${digest.replace(':', '-')}.${length}`;

describe('parts of earlier processes', () => {
  test('go on after a restart, hashed anew', async () => {
    const fixture = await fresh();
    await leave(fixture, blob, 1_000_000);
    await fixture.reopen();
    expect(await fixture.store.cache.parts.list()).toMatchObject([{ digest: blob.digest, sizeBytes: 1_000_000 }]);
    const part = await fixture.store.cache.parts.open(blob.digest);
    const kept = await new Response(part.read({ start: 999_000, end: 1_000_000 })).bytes();
    expect(kept).toEqual(blob.bytes.subarray(999_000, 1_000_000));
    await part.append(blob.bytes.slice(1_000_000));
    await part.commit([redis], blob.bytes.byteLength);
    expect(await bytesOf(await fixture.store.getBlob(redis, blob.digest, {}, call))).toEqual(blob.bytes);
    expect(filesOf(fixture)).toEqual([]);
  });

  test('go on from what was synced when nobody let go of them', async () => {
    const fixture = await fresh({ limits: { partSyncBytes: 1 } });
    const part = await fixture.store.cache.parts.open(blob.digest);
    for (let at = 0; at < 2_500_000; at += 100_000) await part.append(blob.bytes.slice(at, at + 100_000));
    await fixture.reopen();
    const [kept] = await fixture.store.cache.parts.list();
    expect(kept?.sizeBytes).toBeGreaterThan(500_000);
    const again = await fixture.store.cache.parts.open(blob.digest);
    await again.append(blob.bytes.slice(again.offset));
    await again.commit([redis], blob.bytes.byteLength);
    await part.discard();
  });

  test('are removed where they cannot be trusted', async () => {
    const fixture = await fresh();
    const [cut, longer, twice] = ['cut', 'longer', 'twice'].map((seed) => sampleBlob(seed, 1000)) as [
      SampleBlob,
      SampleBlob,
      SampleBlob,
    ];
    const put = ({ bytes }: SampleBlob, name: string) => writeFileSync(join(fixture.path, 'parts', name), bytes);
    put(cut, fileOf(cut, 1001));
    put(longer, fileOf(longer, 600));
    put(twice, fileOf(twice, 300));
    put(twice, fileOf(twice, 400));
    put(cut, fileOf(cut, 0));
    put(cut, 'no part');
    await fixture.reopen();
    expect(filesOf(fixture)).toEqual([fileOf(longer, 600), fileOf(twice, 400)].sort());
    const part = await fixture.store.cache.parts.open(longer.digest);
    expect(part.offset).toBe(600);
    await part.append(longer.bytes.slice(600));
    await part.commit([redis], 1000);
  });

  test('begin anew where the file was lost or cut since', async () => {
    const fixture = await fresh();
    for (const harm of [rmSync, (path: string) => truncateSync(path, 10)]) {
      await leave(fixture, blob, 1_000_000);
      harm(join(fixture.path, 'parts', fileOf(blob, 1_000_000)));
      const part = await fixture.store.cache.parts.open(blob.digest);
      expect(part.offset).toBe(0);
      await part.discard();
    }
    expect(filesOf(fixture)).toEqual([]);
  });

  test('the folder of a release without parts opens', async () => {
    const fixture = await fresh();
    await fixture.reopen();
    rmSync(join(fixture.path, 'parts'), { recursive: true });
    await fixture.reopen();
    await leave(fixture, blob, 10);
    expect(filesOf(fixture)).toEqual([fileOf(blob, 10)]);
  });
});

describe('the room that kept parts take', () => {
  const blobs = ['a', 'b', 'c'].map((seed) => sampleBlob(seed, 1000));
  const digests = blobs.map(({ digest }) => digest);
  const listed = async ({ store }: FreshStore) => (await store.cache.parts.list()).map(({ digest }) => digest);

  test('is bounded at start and by gc: the oldest go', async () => {
    const fixture = await fresh();
    for (const each of blobs) await leave(fixture, each, 1000);
    // Files of one tick of the clock have no order.
    const limits = { keptPartBytes: 2500 };
    await fixture.reopen({ limits });
    expect((await listed(fixture)).length).toBe(2);
    for (const each of blobs) await leave(fixture, each, 1000);
    expect(await listed(fixture)).toEqual(digests);
    await fixture.store.gcRun({ graceMs: 0 });
    expect(await listed(fixture)).toEqual(digests.slice(1));
  });

  test('what is too old goes, what somebody holds never', async () => {
    let aheadMs = 0;
    const clock: Clock = { now: () => systemClock().now() + aheadMs, sleep: async () => {} };
    const fixture = await fresh({ clock, limits: { keptPartMs: 1000 } });
    const [first, second, third] = blobs as [SampleBlob, SampleBlob, SampleBlob];
    for (const each of [first, second]) await leave(fixture, each, 500);
    const held = await fixture.store.cache.parts.open(second.digest);
    aheadMs = 60_000;
    await leave(fixture, third, 500);
    await fixture.store.gcRun({ graceMs: 0 });
    expect(await listed(fixture)).toEqual([third.digest]);
    await held.append(second.bytes.slice(500));
    await held.commit([redis], 1000);
    expect(await bytesOf(await fixture.store.getBlob(redis, second.digest, {}, call))).toEqual(second.bytes);
  });
});

describe('a disk that fails', () => {
  /** A disk that fails at one kind of act while it is armed. */
  function failing(act: 'write' | 'datasync', code: string) {
    let armed = false;
    const fail = () => {
      if (armed) throw Object.assign(new Error('the disk says no'), { code });
    };
    const disk = diskFs();
    const fs: ReturnType<typeof diskFs> = {
      ...disk,
      async openFile(path) {
        const file = await disk.openFile(path);
        return {
          ...file,
          write: async (parts, position) => {
            if (act === 'write') fail();
            await file.write(parts, position);
          },
          datasync: async () => {
            if (act === 'datasync') fail();
            await file.datasync();
          },
        };
      },
    };
    return {
      fs,
      arm(isOn: boolean) {
        armed = isOn;
      },
    };
  }

  test('without room is INSUFFICIENT_STORAGE; what was written is kept', async () => {
    const disk = failing('write', 'ENOSPC');
    const fixture = await fresh({ fs: disk.fs });
    await leave(fixture, blob, 1_000_000);
    disk.arm(true);
    const part = await fixture.store.cache.parts.open(blob.digest);
    const grow = async () => {
      while (part.offset < blob.bytes.byteLength)
        await part.append(blob.bytes.slice(part.offset, part.offset + 65_536));
      await part.commit([redis], blob.bytes.byteLength);
    };
    await expectCode(grow(), 'INSUFFICIENT_STORAGE');
    await part.close();
    disk.arm(false);
    expect(await fixture.store.cache.parts.list()).toMatchObject([{ sizeBytes: 1_000_000 }]);
    const again = await fixture.store.cache.parts.open(blob.digest);
    await again.append(blob.bytes.slice(again.offset));
    await again.commit([redis], blob.bytes.byteLength);
  });

  test('without room at the end keeps the part for a time when there is', async () => {
    const disk = failing('datasync', 'ENOSPC');
    const fixture = await fresh({ fs: disk.fs });
    await leave(fixture, blob, 1_000_000);
    const part = await fixture.store.cache.parts.open(blob.digest);
    await part.append(blob.bytes.slice(1_000_000));
    disk.arm(true);
    await expectCode(part.commit([redis], blob.bytes.byteLength), 'INSUFFICIENT_STORAGE');
    await expectCode(fixture.store.resolveBlob(redis, blob.digest, call), 'NAME_UNKNOWN', 'BLOB_UNKNOWN');
    expect(await fixture.store.cache.parts.list()).toMatchObject([{ sizeBytes: 1_000_000 }]);
  });
});

test('readers of a blob that was evicted read on, in whatever step they are', async () => {
  const clock: Clock = { now: () => systemClock().now(), sleep: async () => {} };
  const fixture = await fresh({ clock });
  const part = await fixture.store.cache.parts.open(blob.digest);
  await part.append(blob.bytes.slice());
  const readers = [0, 1_000_000].map((start) => part.read({ start, end: blob.bytes.byteLength }).getReader());
  const firsts = await Promise.all(readers.map((reader) => reader.read()));
  await part.commit([redis], blob.bytes.byteLength);
  await fixture.store.cache.evict(repo('hub'), { targetBytes: 0, isPinned: () => false });
  for (const [at, reader] of readers.entries()) {
    const read = [firsts[at]?.value ?? new Uint8Array()];
    for (let next = await reader.read(); !next.done; next = await reader.read()) read.push(next.value);
    expect(digestOf(Buffer.concat(read))).toBe(digestOf(blob.bytes.subarray(at * 1_000_000)));
  }
  expect(readdirSync(join(fixture.path, 'trash'))).toEqual([]);
});

test('what an answer was given for before an eviction can still be opened', async () => {
  let isDrained = (): void => {};
  const drain = new Promise<void>((resolve) => {
    isDrained = resolve;
  });
  const clock: Clock = { now: () => systemClock().now(), sleep: (ms) => (ms > 0 ? drain : Promise.resolve()) };
  const fixture = await fresh({ clock });
  const { store } = fixture;
  await store.putBlob(redis, { digest: blob.digest }, blob.bytes, call);
  const answer = await store.getBlob(redis, blob.digest, {}, call);
  const eviction = store.cache.evict(repo('hub'), { targetBytes: 0, isPinned: () => false });
  while (await store.cache.findBlob(blob.digest)) await Bun.sleep(1);
  await Bun.sleep(50);
  expect(await bytesOf(answer)).toEqual(blob.bytes);
  isDrained();
  expect(await eviction).toMatchObject({ blobs: 1 });
  await expect(bytesOf(answer)).rejects.toThrow();
});

test('a part that was synced on the way becomes the blob', async () => {
  const fixture = await fresh({ limits: { partSyncBytes: 1 } });
  const part = await fixture.store.cache.parts.open(blob.digest);
  for (let at = 0; at < blob.bytes.byteLength; at += 65_536) await part.append(blob.bytes.slice(at, at + 65_536));
  while (filesOf(fixture).includes(fileOf(blob, 0))) await Bun.sleep(1);
  await part.commit([redis], blob.bytes.byteLength);
  expect(filesOf(fixture)).toEqual([]);
  expect(await bytesOf(await fixture.store.getBlob(redis, blob.digest, {}, call))).toEqual(blob.bytes);
});

test('the bytes of a part are written once, and become the blob by a rename', async () => {
  let writtenBytes = 0;
  const disk = diskFs();
  const fixture = await fresh({
    fs: {
      ...disk,
      async openFile(path) {
        const file = await disk.openFile(path);
        const write: typeof file.write = async (parts, position) => {
          for (const each of parts) writtenBytes += each.byteLength;
          await file.write(parts, position);
        };
        return { ...file, write };
      },
    },
  });
  writtenBytes = 0;
  const part = await fixture.store.cache.parts.open(blob.digest);
  for (let at = 0; at < blob.bytes.byteLength; at += 65_536) await part.append(blob.bytes.slice(at, at + 65_536));
  await part.commit([redis, repo('hub/library/nginx')], blob.bytes.byteLength);
  expect(writtenBytes).toBe(blob.bytes.byteLength);
});
