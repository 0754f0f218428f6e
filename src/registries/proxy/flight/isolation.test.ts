import { describe, expect, test } from 'bun:test';
import { digestOf, RegistryError } from '#core/oci';
import { bodyOf } from '#core/registry';
import { repo } from '#core/registry/contract';
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
const unknown = () => new RegistryError('BLOB_UNKNOWN', 'there is no such blob', { origin: 'upstream' });

/** Another repository of the same upstream. */
function otherRepository(bytes: Uint8Array, plan?: Parameters<typeof fakeSource>[2]) {
  return { ...fakeSource('a', bytes, plan), repository: repo('other/app') };
}

/** A source that waits before it says that it has no such blob. */
function refusing(gate: Promise<void>) {
  const source = fakeSource('a', BYTES, () => ({ fail: unknown() }));
  const { getBlob } = source.reader;
  const reader = {
    getBlob: async (...rest: Parameters<typeof getBlob>) => {
      await gate;
      return await getBlob(...rest);
    },
  };
  return { ...source, reader };
}

describe('whoever begins a download has nobody’s word yet', () => {
  test('refused by its own source, it gets nothing from that of another who joined', async () => {
    const gate = Promise.withResolvers<void>();
    const { flights, store, read } = setUp();
    const stranger = failureOf(read(DIGEST, [refusing(gate.promise)]));
    const owner = read(DIGEST, [otherRepository(BYTES)], { repository: OTHER_REPO });
    await Bun.sleep(1);
    expect(flights.find(DIGEST)?.repositories).toEqual([REPO, OTHER_REPO]);
    gate.resolve();
    expect((await stranger).code).toBe('BLOB_UNKNOWN');
    expect(await wholeOf(await owner)).toEqual(BYTES);
    expect(await storedBytes(store, DIGEST, OTHER_REPO)).toEqual(BYTES);
    expect(await storedBytes(store, DIGEST)).toBeUndefined();
  });

  test('nor where it only warms', async () => {
    const gate = Promise.withResolvers<void>();
    const { flights, store, read } = setUp();
    const warming = flights.warm({ repository: REPO, digest: DIGEST, sources: [refusing(gate.promise)] }, CALL);
    const stranger = failureOf(warming);
    const owner = read(DIGEST, [otherRepository(BYTES)], { repository: OTHER_REPO });
    await Bun.sleep(1);
    gate.resolve();
    expect((await stranger).code).toBe('BLOB_UNKNOWN');
    expect(await wholeOf(await owner)).toEqual(BYTES);
    expect(await storedBytes(store, DIGEST)).toBeUndefined();
  });

  test('nor by a part that another left', async () => {
    const gate = Promise.withResolvers<void>();
    const { store, read } = setUp();
    const part = await store.cache.parts.open(DIGEST);
    await part.append(BYTES.slice());
    await part.close();
    const stranger = failureOf(read(DIGEST, [refusing(gate.promise)]));
    const owner = read(DIGEST, [otherRepository(BYTES)], { repository: OTHER_REPO });
    await Bun.sleep(1);
    gate.resolve();
    expect((await stranger).code).toBe('BLOB_UNKNOWN');
    expect(await wholeOf(await owner)).toEqual(BYTES);
    expect(await storedBytes(store, DIGEST)).toBeUndefined();
  });

  test('whoever joins one that was refused begins the next, and asks before it joins again', async () => {
    const { flights } = setUp();
    const slow = otherRepository(BYTES, () => ({ before: () => Bun.sleep(1) }));
    let asked = 0;
    const joining = {
      repository: REPO,
      digest: DIGEST,
      sources: [fakeSource('a', BYTES)],
      confirm: async () => {
        asked++;
        throw unknown();
      },
    };
    const other = flights.read({ repository: OTHER_REPO, digest: DIGEST, sources: [slow] }, undefined, CALL);
    expect((await failureOf(flights.read(joining, undefined, CALL))).code).toBe('BLOB_UNKNOWN');
    expect(asked).toBe(1);
    expect(await wholeOf(bodyOf((await other).value))).toEqual(BYTES);
  });

  test('joins nobody’s download unasked, where its own had just come to nothing', async () => {
    const gate = Promise.withResolvers<void>();
    const { flights } = setUp();
    const first = failureOf(
      flights.read({ repository: REPO, digest: DIGEST, sources: [refusing(gate.promise)] }, undefined, CALL),
    );
    gate.resolve();
    expect((await first).code).toBe('BLOB_UNKNOWN');
    const asks: string[] = [];
    const wish = (repository: typeof REPO, source: ReturnType<typeof fakeSource>) => ({
      repository,
      digest: DIGEST,
      sources: [source],
      confirm: async () => {
        asks.push(source.repository);
        throw unknown();
      },
    });
    // Both find the one that is over, and wait for its part to be put away.
    const owner = flights.read(wish(OTHER_REPO, otherRepository(BYTES)), undefined, CALL);
    const stranger = failureOf(flights.read(wish(REPO, fakeSource('a', BYTES)), undefined, CALL));
    expect((await stranger).code).toBe('BLOB_UNKNOWN');
    expect(asks).toEqual(['library/redis']);
    expect(await wholeOf(bodyOf((await owner).value))).toEqual(BYTES);
  });
});

test('what another upstream sends is not shared: each download is of one upstream', async () => {
  const gate = Promise.withResolvers<void>();
  const { flights, read, store } = setUp();
  const honest = fakeSource('a', BYTES, () => ({ before: () => gate.promise }));
  const liar = fakeSource('evil.test', BYTES, () => ({ fail: unknown() }));
  const first = read(DIGEST, [honest]);
  const second = failureOf(read(DIGEST, [liar], { repository: OTHER_REPO }));
  await Bun.sleep(1);
  expect(flights.find(DIGEST)?.repositories).toEqual([REPO]);
  gate.resolve();
  expect(await wholeOf(await first)).toEqual(BYTES);
  expect((await second).code).toBe('BLOB_UNKNOWN');
  expect(await storedBytes(store, DIGEST, OTHER_REPO)).toBeUndefined();
  expect([honest.asked, liar.asked]).toEqual([[0], [0]]);
});

test('a reader that leaves before it reads is not waited for', async () => {
  const { flights } = setUp();
  const source = fakeSource('a', BYTES, () => ({ before: () => new Promise(() => {}) }));
  const controller = new AbortController();
  await flights.read({ repository: REPO, digest: DIGEST, sources: [source] }, undefined, {
    ...CALL,
    signal: controller.signal,
  });
  expect(flights.find(DIGEST)?.readers).toBe(1);
  controller.abort(new Error('left'));
  expect(flights.find(DIGEST)?.readers).toBe(0);
  await flights.close();
});
