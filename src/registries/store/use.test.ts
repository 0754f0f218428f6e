import { afterEach, describe, expect, test } from 'bun:test';
import type { Digest } from '#core/oci';
import { repo, type SampleManifest, sampleImage, sampleIndex } from '#core/registry/contract';
import { type Clock, systemClock } from '#core/std';
import { type FreshStore, freshStore } from './testing/mod.ts';

const redis = repo('hub/library/redis');

let fixture: FreshStore;
afterEach(() => fixture.dispose());

/** A store that counts its transactions, in a time of its own. */
async function counted() {
  const state = {
    commits: 0,
    aheadMs: 0,
    /** Five seconds pass; the time it is then. */
    later() {
      state.aheadMs += 5000;
      return clock.now();
    },
  };
  const clock: Clock = { now: () => systemClock().now() + state.aheadMs, sleep: async () => {} };
  const writePoint = (name: string) => {
    if (name === 'sql:commit:before') state.commits++;
  };
  fixture = await freshStore({ clock, writePoint });
  return state;
}

async function keep({ descriptor, bytes }: SampleManifest): Promise<Digest> {
  await fixture.store.cache.keepManifest(redis, bytes, { mediaType: descriptor.mediaType, tags: [] });
  return descriptor.digest;
}

async function usedAt(digest: Digest): Promise<number> {
  const rows = await fixture.database.read<{ at: number }>(
    `SELECT l.used_at_ms AS at FROM manifest_links l JOIN manifests m ON m.id = l.manifest_id WHERE m.digest = ?`,
    [digest],
  );
  return rows[0]?.at ?? Number.NaN;
}

/** Longer than a batch waits. */
const batched = () => Bun.sleep(150);

describe('uses', () => {
  test('of one batch are one transaction, equal ones one row', async () => {
    const state = await counted();
    const digests: Digest[] = [];
    for (const seed of ['a', 'b', 'c']) digests.push(await keep(sampleImage(seed)));
    const laterMs = state.later();
    const before = state.commits;
    for (let round = 0; round < 100; round++) for (const digest of digests) fixture.store.cache.touch(redis, digest);
    await batched();
    expect(state.commits - before).toBe(1);
    for (const digest of digests) expect(await usedAt(digest)).toBeGreaterThanOrEqual(laterMs);
  });

  test('of what was noted just now are not written again, but count', async () => {
    const state = await counted();
    const [first, second] = [await keep(sampleImage('first')), await keep(sampleImage('second'))];
    for (const digest of [first, second]) fixture.store.cache.touch(redis, digest);
    await batched();
    const before = state.commits;
    const laterMs = state.later();
    fixture.store.cache.touch(redis, first);
    await batched();
    expect(state.commits).toBe(before);
    const { bytes } = await fixture.store.cache.usage(redis);
    await fixture.store.cache.evict(redis, { targetBytes: bytes - 1, isPinned: () => false });
    expect(await usedAt(first)).toBeGreaterThanOrEqual(laterMs);
    expect(await usedAt(second)).toBeNaN();
  });

  test('are written when the store is closed', async () => {
    const state = await counted();
    const digest = await keep(sampleImage('closed'));
    const laterMs = state.later();
    fixture.store.cache.touch(redis, digest);
    await fixture.reopen();
    expect(await usedAt(digest)).toBeGreaterThanOrEqual(laterMs);
  });

  test('of a child are uses of the indexes above it, and of a referrer of its subject; not the other way', async () => {
    const state = await counted();
    const [child, sibling] = [sampleImage('child'), sampleImage('sibling')];
    const index = sampleIndex([child, sibling]);
    const outer = sampleIndex([index]);
    const signature = sampleImage('signature', { subject: outer.descriptor });
    const others = [child, sibling, index, outer, signature];
    for (const manifest of others) await keep(manifest);
    const laterMs = state.later();
    fixture.store.cache.touch(redis, child.descriptor.digest);
    await batched();
    const used = await Promise.all(others.map(async ({ descriptor }) => (await usedAt(descriptor.digest)) >= laterMs));
    expect(used).toEqual([true, false, true, true, false]);
  });

  test('of very many things are all noted', async () => {
    const state = await counted();
    const digest = await keep(sampleImage('one of many'));
    const laterMs = state.later();
    fixture.store.cache.touch(redis, digest);
    for (let at = 0; at < 45_000; at++)
      fixture.store.cache.touch(redis, `sha256:${String(at).padStart(64, '0')}` as Digest);
    await fixture.reopen();
    expect(await usedAt(digest)).toBeGreaterThanOrEqual(laterMs);
  });
});
