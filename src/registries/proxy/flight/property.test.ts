import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { digestOf, RegistryError } from '#core/oci';
import { type Behaviour, fakeSource, OTHER_REPO, REPO, setUp, someBytes, storedBytes, wholeOf } from './flight.fake.ts';

const MOST_BYTES = 6000;
const unavailable = new RegistryError('UPSTREAM_UNAVAILABLE', 'it is down', { origin: 'upstream' });
const position = fc.nat(MOST_BYTES);

const behaviour: fc.Arbitrary<Behaviour> = fc.oneof(
  fc.record({ cutAt: position }),
  fc.record({ cutAt: position, handsOver: fc.constant<true>(true) }),
  fc.record({ endAt: position }),
  fc.record({ ignoresRange: fc.constant<true>(true), cutAt: position }),
  fc.constant({ fail: unavailable }),
  fc.constant({}),
);

/** When it comes and goes is counted in turns of the event loop. */
const reader = fc.record({
  start: position,
  length: fc.option(fc.integer({ min: 1, max: MOST_BYTES }), { nil: undefined }),
  comesAfter: fc.nat(8),
  pauseEvery: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
  leavesAfter: fc.option(fc.nat(6), { nil: undefined }),
  isElsewhere: fc.boolean(),
});
type ReaderPlan = typeof reader extends fc.Arbitrary<infer T> ? T : never;

const world = fc.record({
  sizeBytes: fc.nat(MOST_BYTES),
  heldBackBytes: fc.integer({ min: 1, max: 2000 }),
  tipBytes: fc.integer({ min: 1, max: 3000 }),
  chunkBytes: fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 5 }),
  sources: fc.array(fc.array(behaviour, { maxLength: 5 }), { minLength: 1, maxLength: 3 }),
  readers: fc.array(reader, { minLength: 1, maxLength: 6 }),
});
type World = typeof world extends fc.Arbitrary<infer T> ? T : never;

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function createWorld({ sizeBytes, heldBackBytes, tipBytes, chunkBytes, sources: plans }: World) {
  const bytes = someBytes(sizeBytes);
  const chunkOf = (offset: number) => chunkBytes[offset % chunkBytes.length] ?? 1;
  const before = () => turns(1);
  const sources = plans.map((plan, index) =>
    fakeSource(`source ${index}`, bytes, (nth) => ({ chunkOf, before, ...plan[nth - 1] })),
  );
  const limits = { heldBackBytes, tipBytes, tipLeastBytes: 1, retry: { attempts: 3, baseMs: 0, maxMs: 0 } };
  return { bytes, digest: digestOf(bytes), sources, ...setUp({ limits }) };
}

/** Reads as planned. Whatever way it ends: cleanly only with exactly its bytes. */
async function follow(one: ReturnType<typeof createWorld>, plan: ReaderPlan): Promise<void> {
  const { bytes, digest, sources, read, store } = one;
  await turns(plan.comesAfter);
  const end = plan.length === undefined ? undefined : plan.start + plan.length;
  const isRange = plan.start < bytes.byteLength;
  const range = isRange ? { start: plan.start, ...(end === undefined ? {} : { end }) } : undefined;
  const got: Uint8Array[] = [];
  try {
    const repository = plan.isElsewhere ? OTHER_REPO : REPO;
    // As whoever uses flights does: what is stored is not asked of them.
    if ((await store.cache.findBlob(digest)) !== undefined) return;
    const body = await read(digest, sources, { repository, ...(range ? { range } : {}) });
    for await (const chunk of body) {
      got.push(chunk);
      if (plan.pauseEvery !== undefined && got.length % plan.pauseEvery === 0) await turns(3);
      if (got.length === plan.leavesAfter) return;
    }
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
    return;
  }
  expect(Buffer.concat(got)).toEqual(Buffer.from(range ? bytes.slice(range.start, range.end) : bytes));
}

test('whoever ends cleanly has exactly its bytes, and each byte is fetched once', async () => {
  await fc.assert(
    fc.asyncProperty(world, async (given) => {
      const one = createWorld(given);
      await Promise.all(given.readers.map((plan) => follow(one, plan)));
      // The sources' troubles are over after so many requests: then whoever asks gets it.
      const { bytes, digest, sources, store, read, flights } = one;
      for (let tries = 0; tries < 20 && !(await store.cache.findBlob(digest)); tries++) {
        await read(digest, sources)
          .then(wholeOf)
          .catch(() => undefined);
      }
      const stored = (await storedBytes(store, digest)) ?? (await storedBytes(store, digest, OTHER_REPO));
      expect(stored).toEqual(bytes);
      const sum = (of: 'sentBytes' | 'unaskedBytes' | 'openBodies') =>
        sources.reduce((all, source) => all + source[of](), 0);
      expect(sum('sentBytes') - sum('unaskedBytes')).toBe(bytes.byteLength);
      await flights.close();
      // Ends of bodies come by themselves.
      await turns(3);
      expect(sum('openBodies')).toBe(0);
      expect(await store.cache.parts.list()).toEqual([]);
    }),
    { numRuns: 300 },
  );
}, 60_000);
