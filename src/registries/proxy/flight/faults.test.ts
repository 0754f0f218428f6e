import { describe, expect, test } from 'bun:test';
import { digestOf, RegistryError } from '#core/oci';
import { memoryCache, type PartStore } from '#core/registry';
import {
  type Behaviour,
  CALL,
  failureOf,
  fakeSource,
  REPO,
  setUp,
  someBytes,
  storedBytes,
  wholeOf,
} from './flight.fake.ts';

const BYTES = someBytes(200_000);
const DIGEST = digestOf(BYTES);
const WRONG = BYTES.slice();
WRONG[70_123] = 0xff ^ (WRONG[70_123] ?? 0);
const SMALL = someBytes(3000);
const SMALL_DIGEST = digestOf(SMALL);

const unavailable = () => new RegistryError('UPSTREAM_UNAVAILABLE', 'it is down', { origin: 'upstream' });
const unknown = () => new RegistryError('BLOB_UNKNOWN', 'no such blob', { origin: 'upstream' });

/** What the nth request meets; those after the last are answered well. */
const inTurn =
  (...behaviours: readonly Behaviour[]) =>
  (nth: number): Behaviour =>
    behaviours[nth - 1] ?? {};

describe('a download that breaks goes on where it broke', () => {
  const rows: { name: string; a: Behaviour[]; b?: Behaviour[]; askedA: number[]; askedB?: number[] }[] = [
    { name: 'cut in the middle', a: [{ cutAt: 70_000 }], askedA: [0, 70_000] },
    { name: 'cut, handed over', a: [{ cutAt: 70_000, handsOver: true }], askedA: [0, 70_000] },
    { name: 'cut before the first byte', a: [{ cutAt: 0 }], askedA: [0, 0] },
    { name: 'cut before the last byte', a: [{ cutAt: 199_999 }], askedA: [0, 199_999] },
    { name: 'ends early as if that were all', a: [{ endAt: 70_000 }], askedA: [0, 70_000] },
    { name: 'hangs', a: [{ hangAt: 70_000 }], askedA: [0, 70_000] },
    { name: 'hangs, handed over', a: [{ hangAt: 70_000, handsOver: true }], askedA: [0, 70_000] },
    {
      name: 'breaks often, and gets on each time',
      a: [{ cutAt: 10_000 }, { cutAt: 20_000 }, { cutAt: 30_000 }, { cutAt: 40_000 }, { cutAt: 50_000 }],
      askedA: [0, 10_000, 20_000, 30_000, 40_000, 50_000],
    },
    {
      name: 'the same source first, then the next',
      a: [{ cutAt: 70_000 }, { fail: unavailable() }],
      b: [{}],
      askedA: [0, 70_000],
      askedB: [70_000],
    },
    {
      name: 'the next is no better, and the first again',
      a: [{ cutAt: 70_000 }, { fail: unavailable() }, {}],
      b: [{ fail: unavailable() }],
      askedA: [0, 70_000, 70_000],
      askedB: [70_000],
    },
    {
      name: 'a source that says another size is left',
      a: [{ cutAt: 70_000 }, { sizeBytes: 150_000 }],
      b: [{}],
      askedA: [0, 70_000],
      askedB: [70_000],
    },
    {
      name: 'a source that has it no more is left',
      a: [{ cutAt: 70_000 }, { fail: unknown() }],
      b: [{ cutAt: 80_000 }, { fail: unavailable() }, {}],
      askedA: [0, 70_000],
      askedB: [70_000, 80_000, 80_000],
    },
    {
      name: 'all is sent whatever is asked: the beginning is skipped',
      a: [{ cutAt: 70_000 }, { ignoresRange: true }],
      askedA: [0, 70_000],
    },
    {
      name: 'more is sent than was said',
      a: [{ bytes: new Uint8Array([...BYTES, 1, 2, 3]), sizeBytes: 200_000 }],
      askedA: [0],
    },
    { name: 'the first has it not', a: [{ fail: unknown() }], b: [{}], askedA: [0], askedB: [0] },
    { name: 'the first is down', a: [{ fail: unavailable() }], b: [{}], askedA: [0], askedB: [0] },
  ];
  test.each(rows)('$name', async ({ a, b, askedA, askedB }) => {
    const first = fakeSource('a', BYTES, inTurn(...a));
    const second = fakeSource('b', BYTES, inTurn(...(b ?? [])));
    const { read, store } = setUp({ limits: { idleMs: 30 } });
    const body = await read(DIGEST, b ? [first, second] : [first]);
    expect(await wholeOf(body)).toEqual(BYTES);
    expect(await storedBytes(store, DIGEST)).toEqual(BYTES);
    expect(first.asked).toEqual(askedA);
    expect(second.asked).toEqual(askedB ?? []);
    expect([first.openBodies(), second.openBodies()]).toEqual([0, 0]);
  });

  test('tries in a row that bring nothing are bounded; what came is kept for the next reader', async () => {
    const fail = { fail: unavailable() };
    const source = fakeSource('a', BYTES, inTurn({ cutAt: 70_000 }, fail, fail, fail));
    const { read, store, events } = setUp();
    const failure = await failureOf(wholeOf(await read(DIGEST, [source])));
    expect(failure).toMatchObject({ code: 'UPSTREAM_UNAVAILABLE', message: 'it is down' });
    expect(source.asked).toEqual([0, 70_000, 70_000, 70_000]);
    expect(events.at(-1)).toMatchObject({ kind: 'flight-ended', outcome: 'failed', flight: { receivedBytes: 70_000 } });
    expect(await wholeOf(await read(DIGEST, [source]))).toEqual(BYTES);
    expect(source.asked.at(-1)).toBe(70_000);
    expect(await storedBytes(store, DIGEST)).toEqual(BYTES);
  });

  test('a source that asks for much patience is not waited for', async () => {
    const limited = new RegistryError('TOOMANYREQUESTS', 'slow down', { origin: 'upstream', retryAfterMs: 3_600_000 });
    const source = fakeSource('a', BYTES, inTurn({ cutAt: 70_000 }, { fail: limited }));
    const { read } = setUp();
    const failure = await failureOf(wholeOf(await read(DIGEST, [source])));
    expect(failure).toMatchObject({ code: 'TOOMANYREQUESTS', retryAfterMs: 3_600_000 });
    expect(source.asked).toEqual([0, 70_000]);
  });
});

describe('a failure before the size is known', () => {
  const rows = [
    { name: 'every source says that there is none', a: unknown(), b: unknown(), code: 'BLOB_UNKNOWN' },
    { name: 'one has none, one is down', a: unknown(), b: unavailable(), code: 'UPSTREAM_UNAVAILABLE' },
    { name: 'one is down, one has none', a: unavailable(), b: unknown(), code: 'UPSTREAM_UNAVAILABLE' },
  ];
  test.each(rows)('$name: $code', async ({ a, b, code }) => {
    const sources = [fakeSource('a', BYTES, () => ({ fail: a })), fakeSource('b', BYTES, () => ({ fail: b }))];
    const { read, events, store } = setUp();
    expect((await failureOf(read(DIGEST, sources))).code).toBe(code as never);
    expect(events.at(-1)).toMatchObject({ kind: 'flight-ended', outcome: 'failed' });
    expect(await store.cache.parts.list()).toEqual([]);
  });

  test('every waiter gets an error of its own', async () => {
    const source = fakeSource('a', BYTES, () => ({ fail: unavailable() }));
    const { read } = setUp();
    const failures = await Promise.all([1, 2, 3].map(() => failureOf(read(DIGEST, [source]))));
    expect(failures.map(({ code }) => code)).toEqual(Array.from({ length: 3 }, () => 'UPSTREAM_UNAVAILABLE'));
    expect(new Set(failures).size).toBe(3);
    expect(source.asked).toEqual([0]);
  });

  test('the next reader asks again', async () => {
    const source = fakeSource('a', BYTES, inTurn({ fail: unknown() }));
    const { read } = setUp();
    await failureOf(read(DIGEST, [source]));
    expect(await wholeOf(await read(DIGEST, [source]))).toEqual(BYTES);
  });

  test('a source that never answers', async () => {
    const source = fakeSource('a', BYTES, () => ({ neverAnswers: true }));
    const { read } = setUp({ limits: { answerMs: 20 } });
    expect((await failureOf(read(DIGEST, [source]))).code).toBe('UPSTREAM_TIMEOUT');
    expect(source.calls[0]?.signal?.aborted).toBe(true);
  });
});

describe('bytes that are not those of the digest', () => {
  test('cut every reader, are not stored, and the next reader begins anew', async () => {
    const source = fakeSource('a', BYTES, inTurn({ bytes: WRONG }));
    const { read, store, events } = setUp();
    const bodies = await Promise.all([read(DIGEST, [source]), read(DIGEST, [source], { range: { start: 100_000 } })]);
    const failures = await Promise.all(bodies.map((body) => failureOf(wholeOf(body))));
    expect(failures.map(({ code }) => code)).toEqual(['UPSTREAM_INVALID', 'UPSTREAM_INVALID']);
    expect(await storedBytes(store, DIGEST)).toBeUndefined();
    expect(await store.cache.parts.list()).toEqual([]);
    expect(events.at(-1)).toMatchObject({ outcome: 'failed', why: expect.stringContaining('other bytes') });
    expect(await wholeOf(await read(DIGEST, [source]))).toEqual(BYTES);
    expect(source.asked).toEqual([0, 0]);
  });

  test('the last of them are held back', async () => {
    const source = fakeSource('a', BYTES, () => ({ bytes: WRONG }));
    const { read } = setUp({ limits: { heldBackBytes: 1 } });
    const reader = (await read(DIGEST, [source])).getReader();
    let got = 0;
    await failureOf(
      (async () => {
        while (true) got += (await reader.read()).value?.byteLength ?? Number.NaN;
      })(),
    );
    expect(got).toBe(199_999);
  });

  test('of a small blob nobody gets any: the next source is asked at once', async () => {
    const liar = fakeSource('a', SMALL, () => ({ bytes: SMALL.map((byte) => byte ^ 1) }));
    const honest = fakeSource('b', SMALL);
    const { read, store, kinds } = setUp();
    expect(await wholeOf(await read(SMALL_DIGEST, [liar, honest]))).toEqual(SMALL);
    expect([liar.asked, honest.asked]).toEqual([[0], [0]]);
    expect(await storedBytes(store, SMALL_DIGEST)).toEqual(SMALL);
    expect(kinds()).toEqual(['flight-started', 'flight-ended']);
  });

  test('of a small blob that only liars have', async () => {
    const liar = fakeSource('a', SMALL, () => ({ bytes: SMALL.map((byte) => byte ^ 1) }));
    const { read } = setUp();
    expect((await failureOf(wholeOf(await read(SMALL_DIGEST, [liar])))).code).toBe('UPSTREAM_INVALID');
    expect(liar.asked).toEqual([0]);
  });
});

describe('a restart', () => {
  /** A store with a part, as a process leaves it that ended in the middle. */
  async function storeWithPart(bytes: Uint8Array, digest = DIGEST) {
    const store = memoryCache();
    const part = await store.cache.parts.open(digest);
    await part.append(bytes);
    await part.close();
    return store;
  }

  test('goes on with what was kept', async () => {
    const store = await storeWithPart(BYTES.slice(0, 120_000));
    const source = fakeSource('a', BYTES);
    const { read } = setUp({ store });
    expect(await wholeOf(await read(DIGEST, [source]))).toEqual(BYTES);
    expect(source.asked).toEqual([120_000]);
    expect(source.sentBytes()).toBe(80_000);
  });

  test('what was kept may be the whole', async () => {
    const store = await storeWithPart(BYTES);
    const source = fakeSource('a', BYTES);
    const { read } = setUp({ store });
    expect(await wholeOf(await read(DIGEST, [source]))).toEqual(BYTES);
    expect(source.sentBytes()).toBe(0);
    expect(await storedBytes(store, DIGEST)).toEqual(BYTES);
  });

  const worthless = [
    { name: 'more than the blob has', kept: someBytes(250_000) },
    { name: 'as much as the blob has, but other bytes', kept: WRONG },
  ];
  test.each(worthless)('what was kept is worthless: $name', async ({ kept }) => {
    const store = await storeWithPart(kept);
    const source = fakeSource('a', BYTES);
    const { read } = setUp({ store });
    expect(await wholeOf(await read(DIGEST, [source]))).toEqual(BYTES);
    expect(source.asked).toEqual([kept.byteLength, 0]);
    expect(await storedBytes(store, DIGEST)).toEqual(BYTES);
  });

  test('what was kept is the beginning of something else: found out before anybody got any', async () => {
    const store = await storeWithPart(someBytes(100).fill(1), SMALL_DIGEST);
    const source = fakeSource('a', SMALL);
    const { read } = setUp({ store });
    expect(await wholeOf(await read(SMALL_DIGEST, [source]))).toEqual(SMALL);
    expect(source.asked).toEqual([100, 0]);
  });

  test('close cuts the readers and keeps the parts', async () => {
    const store = memoryCache();
    const source = fakeSource('a', BYTES, inTurn({ hangAt: 70_000 }));
    const first = setUp({ store });
    const body = wholeOf(await first.read(DIGEST, [source]));
    const warm = first.flights.warm({ repository: REPO, digest: DIGEST, sources: [source] }, CALL);
    const failures = Promise.all([failureOf(body), failureOf(warm)]);
    while (first.flights.find(DIGEST)?.receivedBytes !== 70_000) await Bun.sleep(1);
    await first.flights.close();
    expect((await failures).map(({ code }) => code)).toEqual(['UNAVAILABLE', 'UNAVAILABLE']);
    expect(first.events.at(-1)).toMatchObject({ kind: 'flight-ended', outcome: 'kept' });
    expect(source.openBodies()).toBe(0);
    expect((await failureOf(first.read(DIGEST, [source]))).code).toBe('UNAVAILABLE');
    expect(await wholeOf(await setUp({ store }).read(DIGEST, [source]))).toEqual(BYTES);
    expect(source.asked).toEqual([0, 70_000]);
  });

  test('so many bytes of parts are kept, the newest', async () => {
    const store = memoryCache();
    const fail = { fail: unavailable() };
    const { read } = setUp({ store, limits: { keptBytes: 150_000 } });
    for (const content of [BYTES, WRONG, someBytes(190_000)]) {
      const source = fakeSource('a', content, inTurn({ cutAt: 70_000 }, fail, fail, fail));
      await failureOf(wholeOf(await read(digestOf(content), [source])));
    }
    while ((await store.cache.parts.list()).length > 2) await Bun.sleep(1);
    expect((await store.cache.parts.list()).map(({ digest }) => digest)).toEqual([
      digestOf(WRONG),
      digestOf(someBytes(190_000)),
    ]);
  });
});

describe('a full disk', () => {
  const full = () => new RegistryError('INSUFFICIENT_STORAGE', 'the disk is full');
  /** A store that takes so many bytes of a part. */
  function fullAfter(fullAtByte: number) {
    const store = memoryCache();
    const parts: PartStore = {
      ...store.cache.parts,
      async open(digest) {
        if (fullAtByte < 0) throw full();
        const part = await store.cache.parts.open(digest);
        return {
          ...part,
          get offset() {
            return part.offset;
          },
          async append(chunk) {
            if (part.offset + chunk.byteLength > fullAtByte) throw full();
            await part.append(chunk);
          },
        };
      },
    };
    return { store, parts };
  }

  const moments = [
    { name: 'before the download', fullAtByte: -1, asked: [0, 0] },
    { name: 'at its first byte', fullAtByte: 0, asked: [0, 0, 0] },
  ];
  test.each(moments)('$name: every reader gets the bytes for itself', async ({ fullAtByte, asked }) => {
    const { read, store } = setUp(fullAfter(fullAtByte));
    const source = fakeSource('a', BYTES);
    const bodies = await Promise.all([read(DIGEST, [source]), read(DIGEST, [source])]);
    expect(await Promise.all(bodies.map(wholeOf))).toEqual([BYTES, BYTES]);
    expect(source.asked).toEqual(asked);
    expect(await storedBytes(store, DIGEST)).toBeUndefined();
    expect(source.openBodies()).toBe(0);
  });

  test('in the middle: a range goes on, a whole that has begun is cut', async () => {
    const { read } = setUp(fullAfter(70_000));
    const source = fakeSource('a', BYTES);
    const whole = read(DIGEST, [source]).then(wholeOf);
    const range = read(DIGEST, [source], { range: { start: 60_000, end: 190_000 } }).then(wholeOf);
    expect((await failureOf(whole)).code).toBe('INSUFFICIENT_STORAGE');
    expect(await range).toEqual(BYTES.slice(60_000, 190_000));
  });

  test('a download without a reader fails', async () => {
    const { flights } = setUp(fullAfter(-1));
    const wish = { repository: REPO, digest: DIGEST, sources: [fakeSource('a', BYTES)] };
    expect((await failureOf(flights.warm(wish, CALL))).code).toBe('INSUFFICIENT_STORAGE');
  });
});
