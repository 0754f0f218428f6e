import { expect, test } from 'bun:test';
import type { Digest } from '#core/oci';
import { pushImage, pushManifest, repo, sampleImage, sampleManifest, tag, testCall } from '#core/registry/contract';
import { freshStore } from './testing/mod.ts';

type Span = { readonly digest: Digest; readonly startedAt: number; readonly endedAt: number };

/**
 * A tag is a register: a read answers a value whose write began before the read ended, and which no other write
 * had replaced for certain (begun after it ended, and ended before the read began).
 */
function isExplained(read: Span, writes: readonly Span[]): boolean {
  return writes
    .filter((write) => write.digest === read.digest)
    .some(
      (write) =>
        write.startedAt < read.endedAt &&
        !writes.some((later) => later.startedAt > write.endedAt && later.endedAt < read.startedAt),
    );
}

test('a tag that many move and many read never goes back', async () => {
  const fixture = await freshStore({ writer: new URL('./testing/writer.ts', import.meta.url) });
  const { store } = fixture;
  const name = repo('team/app');
  const image = sampleImage('moved');
  await pushImage(store, name, image);
  let time = 0;
  const writes: Span[] = [];
  const reads: Span[] = [];
  let moving = 3;
  const move = async (worker: number) => {
    for (let round = 0; round < 30; round++) {
      const value = sampleManifest(image.descriptor.mediaType, {
        ...JSON.parse(new TextDecoder().decode(image.bytes)),
        annotations: { value: `${worker}.${round}` },
      });
      const startedAt = time++;
      await pushManifest(store, name, value, { tags: ['latest'] });
      writes.push({ digest: value.descriptor.digest, startedAt, endedAt: time++ });
    }
    moving--;
  };
  const look = async () => {
    const seen: Digest[] = [];
    while (moving > 0) {
      const startedAt = time++;
      const answer = await store.resolveManifest(name, tag('latest'), testCall()).catch(() => undefined);
      if (answer) {
        reads.push({ digest: answer.value.digest, startedAt, endedAt: time++ });
        if (seen.at(-1) !== answer.value.digest) seen.push(answer.value.digest);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    return seen;
  };
  const moves = Promise.all([move(0), move(1), move(2)]);
  const readers = await Promise.all([look(), look()]);
  await moves;
  expect(reads.length).toBeGreaterThan(50);
  expect(reads.filter((read) => !isExplained(read, writes))).toEqual([]);
  // Nor does a reader see the new value and then, by whatever cache, the old one.
  for (const seen of readers) expect(new Set(seen).size).toBe(seen.length);
  await fixture.dispose();
}, 60_000);
