import { describe, expect, test } from 'bun:test';
import { digestOf } from '#core/oci';
import { type CacheStore, memoryCache, type Part, type PartStore } from '#core/registry';
import {
  CALL,
  failureOf,
  fakeSource,
  OTHER_REPO,
  REPO,
  setUp,
  someBytes,
  storedBytes,
  wholeOf,
} from './flight.fake.ts';

const BYTES = someBytes(200_000);
const DIGEST = digestOf(BYTES);

/** A gate before a byte of a blob. */
function gateAt(gateOffset: number) {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { open: resolve, before: (offset: number) => (offset >= gateOffset ? promise : undefined) };
}

describe('one download for everybody', () => {
  test('the first reader starts it, and it is stored', async () => {
    const source = fakeSource('a', BYTES);
    const { flights, read, store, events } = setUp();
    const { value, served } = await flights.read(
      { repository: REPO, digest: DIGEST, sources: [source] },
      undefined,
      CALL,
    );
    expect(value).toMatchObject({ kind: 'stream', descriptor: { digest: DIGEST, size: BYTES.byteLength } });
    expect(served).toMatchObject({ verdict: 'miss', upstream: 'a' });
    if (value.kind === 'stream') expect(await wholeOf(value.body)).toEqual(BYTES);
    expect(await storedBytes(store, DIGEST)).toEqual(BYTES);
    expect(source.asked).toEqual([0]);
    expect(events.map(({ kind }) => kind)).toEqual(['flight-started', 'flight-ended']);
    expect(events.at(-1)).toMatchObject({ outcome: 'stored', flight: { sizeBytes: 200_000, receivedBytes: 200_000 } });
    expect(flights.list()).toEqual([]);
    expect(read).toBeFunction();
  });

  test('it is answered as soon as the size is known, and ranges end when their bytes are here', async () => {
    const gate = gateAt(50_000);
    const source = fakeSource('a', BYTES, () => ({ before: gate.before }));
    const { read, flights } = setUp();
    const whole = await read(DIGEST, [source]);
    const early = await read(DIGEST, [source], { range: { start: 7, end: 49_999 } });
    const late = await read(DIGEST, [source], { range: { start: 150_000 } });
    expect(await wholeOf(early)).toEqual(BYTES.slice(7, 49_999));
    expect(flights.find(DIGEST)).toMatchObject({ sizeBytes: 200_000, receivedBytes: 50_000, readers: 2, host: 'a' });
    gate.open();
    expect(await wholeOf(late)).toEqual(BYTES.slice(150_000));
    expect(await wholeOf(whole)).toEqual(BYTES);
    expect(source.asked).toEqual([0]);
  });

  const ranges = [
    { name: 'the beginning', range: { start: 0, end: 10 }, bytes: BYTES.slice(0, 10) },
    { name: 'the last byte', range: { start: 199_999 }, bytes: BYTES.slice(199_999) },
    { name: 'past the end is clamped', range: { start: 199_990, end: 300_000 }, bytes: BYTES.slice(199_990) },
  ];
  test.each(ranges)('range: $name', async ({ range, bytes }) => {
    const { read } = setUp();
    expect(await wholeOf(await read(DIGEST, [fakeSource('a', BYTES)], { range }))).toEqual(bytes);
  });

  test('a range that is not in the blob is refused and harms nobody', async () => {
    const source = fakeSource('a', BYTES);
    const { read, store } = setUp();
    const whole = await read(DIGEST, [source]);
    expect((await failureOf(read(DIGEST, [source], { range: { start: 200_000 } }))).code).toBe('RANGE_INVALID');
    expect(await wholeOf(whole)).toEqual(BYTES);
    expect(await storedBytes(store, DIGEST)).toEqual(BYTES);
  });

  test('an empty blob', async () => {
    const empty = new Uint8Array();
    const { read, store } = setUp();
    expect(await wholeOf(await read(digestOf(empty), [fakeSource('a', empty)]))).toEqual(empty);
    expect(await storedBytes(store, digestOf(empty))).toEqual(empty);
  });

  test('it is linked to every repository that joined', async () => {
    const source = fakeSource('a', BYTES);
    const { read, store, events } = setUp();
    const bodies = await Promise.all([read(DIGEST, [source]), read(DIGEST, [source], { repository: OTHER_REPO })]);
    await Promise.all(bodies.map(wholeOf));
    expect(await storedBytes(store, DIGEST, OTHER_REPO)).toEqual(BYTES);
    expect(source.asked).toEqual([0]);
    expect(events.filter(({ kind }) => kind === 'flight-joined')).toHaveLength(1);
  });

  test('its readers end when it is known to be right, and do not wait for the disk', async () => {
    const onDisk = Promise.withResolvers<void>();
    const store = memoryCache();
    const parts = withCommit(store, async (commit, [repositories, sizeBytes, onRight]) => {
      onRight?.();
      await onDisk.promise;
      return await commit(repositories, sizeBytes);
    });
    const { read } = setUp({ store, parts });
    const body = await read(DIGEST, [fakeSource('a', BYTES)]);
    expect(await wholeOf(body)).toEqual(BYTES);
    expect(await store.cache.findBlob(DIGEST)).toBeUndefined();
    onDisk.resolve();
    await Bun.sleep(0);
    expect(await storedBytes(store, DIGEST)).toEqual(BYTES);
  });

  test('whoever joins while it is being stored is fed from the part, and linked', async () => {
    const source = fakeSource('a', BYTES);
    const gate = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const store = memoryCache();
    const parts = withCommit(store, async (commit, given) => {
      begun.resolve();
      await gate.promise;
      return await commit(...given);
    });
    const { read } = setUp({ store, parts });
    const first = await read(DIGEST, [source]);
    await begun.promise;
    const second = await read(DIGEST, [source], { repository: OTHER_REPO });
    const early = await read(DIGEST, [source], { range: { start: 5, end: 100_000 } });
    expect(await wholeOf(early)).toEqual(BYTES.slice(5, 100_000));
    gate.resolve();
    expect(await wholeOf(second)).toEqual(BYTES);
    expect(await wholeOf(first)).toEqual(BYTES);
    await Bun.sleep(0);
    expect(await storedBytes(store, DIGEST, OTHER_REPO)).toEqual(BYTES);
    expect(source.asked).toEqual([0]);
  });

  test('downloads without a reader', async () => {
    const { flights, store } = setUp();
    const wish = { repository: REPO, digest: DIGEST, sources: [fakeSource('a', BYTES)] };
    expect(await flights.warm(wish, CALL)).toMatchObject({ digest: DIGEST, size: 200_000 });
    expect(await storedBytes(store, DIGEST)).toEqual(BYTES);
  });
});

describe('readers do not see each other', () => {
  test('a reader that keeps up is fed from memory, one that does not from the part', async () => {
    const store = memoryCache();
    const reads: number[] = [];
    const parts: PartStore = {
      ...store.cache.parts,
      async open(digest) {
        const part = await store.cache.parts.open(digest);
        return {
          ...part,
          get offset() {
            return part.offset;
          },
          read(range) {
            reads.push(range.start);
            return part.read(range);
          },
        };
      },
    };
    // Every chunk has a turn of the event loop, as on a line.
    const source = fakeSource('a', BYTES, () => ({ before: () => Bun.sleep(0), chunkOf: () => 10_000 }));
    const { read } = setUp({ store, parts, limits: { tipBytes: 40_000, tipLeastBytes: 10_000, heldBackBytes: 1000 } });
    const [fast, slow] = await Promise.all([read(DIGEST, [source]), read(DIGEST, [source])]);
    expect(await wholeOf(fast)).toEqual(BYTES);
    expect(reads).toEqual([]);
    expect(await wholeOf(slow)).toEqual(BYTES);
    expect(reads[0]).toBe(0);
    expect(source.asked).toEqual([0]);
  });

  test('one that stands still holds up neither the download nor the others', async () => {
    const source = fakeSource('a', BYTES);
    const { read, store } = setUp();
    const stalled = await read(DIGEST, [source]);
    const reader = stalled.getReader();
    await reader.read();
    expect(await wholeOf(await read(DIGEST, [source]))).toEqual(BYTES);
    expect(await storedBytes(store, DIGEST)).toEqual(BYTES);
    await reader.cancel();
  });

  test('one that gives up while it waits for the size harms nobody', async () => {
    const gate = Promise.withResolvers<void>();
    const inner = fakeSource('a', BYTES);
    const source = {
      ...inner,
      reader: {
        getBlob: async (...given: Parameters<typeof inner.reader.getBlob>) => {
          await gate.promise;
          return await inner.reader.getBlob(...given);
        },
      },
    };
    const { read, store } = setUp();
    const controller = new AbortController();
    const first = read(DIGEST, [source], { signal: controller.signal });
    const second = read(DIGEST, [source]);
    controller.abort(new Error('enough'));
    await expect(first).rejects.toThrow('enough');
    gate.resolve();
    expect(await wholeOf(await second)).toEqual(BYTES);
    expect(await storedBytes(store, DIGEST)).toEqual(BYTES);
    expect(inner.calls[0]?.signal?.aborted).toBe(false);
  });

  test('one whose signal aborts is cut, the others are not', async () => {
    const gate = gateAt(50_000);
    const source = fakeSource('a', BYTES, () => ({ before: gate.before }));
    const { read } = setUp();
    const controller = new AbortController();
    const cut = wholeOf(await read(DIGEST, [source], { signal: controller.signal }));
    const other = wholeOf(await read(DIGEST, [source]));
    await Bun.sleep(0);
    controller.abort(new Error('enough'));
    await expect(cut).rejects.toThrow('enough');
    gate.open();
    expect(await other).toEqual(BYTES);
  });

  test('it outlives them', async () => {
    const gate = gateAt(50_000);
    const source = fakeSource('a', BYTES, () => ({ before: gate.before }));
    const { read, flights, store } = setUp();
    await (await read(DIGEST, [source])).cancel();
    expect(flights.find(DIGEST)?.readers).toBe(0);
    gate.open();
    await flights.warm({ repository: REPO, digest: DIGEST, sources: [source] }, CALL);
    expect(await storedBytes(store, DIGEST)).toEqual(BYTES);
    expect(source.asked).toEqual([0]);
  });

  test('with much to go it stops, what came is kept, and the next goes on there', async () => {
    const gate = gateAt(50_000);
    const source = fakeSource('a', BYTES, (nth) => (nth === 1 ? { before: gate.before } : {}));
    const { read, store, events } = setUp({ limits: { unattendedBytes: 100_000 } });
    const left = (await read(DIGEST, [source])).getReader();
    for (let got = 0; got < 50_000; ) got += (await left.read()).value?.byteLength ?? 0;
    await left.cancel();
    expect(await wholeOf(await read(DIGEST, [source]))).toEqual(BYTES);
    expect(source.asked).toEqual([0, 50_000]);
    expect(events.find(({ kind }) => kind === 'flight-ended')).toMatchObject({ outcome: 'kept' });
    expect(await storedBytes(store, DIGEST)).toEqual(BYTES);
  });
});

type Commit = Part['commit'];

/** Parts whose end is another. */
function withCommit(
  { cache }: CacheStore,
  end: (commit: Commit, given: Parameters<Commit>) => ReturnType<Commit>,
): PartStore {
  return {
    ...cache.parts,
    async open(digest) {
      const part = await cache.parts.open(digest);
      return {
        ...part,
        get offset() {
          return part.offset;
        },
        commit: (...given) => end(part.commit, given),
      };
    },
  };
}
