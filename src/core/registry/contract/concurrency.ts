import { expect } from 'bun:test';
import type { Digest } from '#core/oci';
import type { Registry } from '../types.ts';
import { pushManifest, repo, sampleIndex, tag, testCall } from './sample.ts';
import type { Check } from './suite.ts';

const name = repo('team/app');
const call = testCall();
const WRITERS = 4;
const READERS = 3;
const ROUNDS = 6;

/** When an operation began and ended, in steps of one counter that all share. */
type Span = { readonly startedAt: number; readonly endedAt: number; readonly digest: Digest };

export function concurrencyContract(check: Check): void {
  check('tags that move at once read as if the moves came one after the other', async (registry) => {
    const { writes, reads } = await history(registry);
    expect(reads.length).toBe(READERS * ROUNDS);
    for (const read of reads) expect(staleness(read, writes)).toBe('fresh');
    for (const later of reads) {
      for (const earlier of reads) {
        if (earlier.endedAt < later.startedAt) expect(isOlder(later, earlier, writes)).toBe(false);
      }
    }
  });
}

async function history(registry: Registry): Promise<{ writes: Span[]; reads: Span[] }> {
  let step = 0;
  const writes: Span[] = [];
  const reads: Span[] = [];
  const timed = async (into: Span[], work: () => Promise<Digest>) => {
    const startedAt = step++;
    const digest = await work();
    into.push({ startedAt, endedAt: step++, digest });
  };
  const write = (seed: string) =>
    timed(writes, async () => {
      const manifest = sampleIndex([], { annotations: { seed } });
      return (await pushManifest(registry, name, manifest, { tags: ['moving'] })).descriptor.digest;
    });
  const read = () => timed(reads, async () => (await registry.resolveManifest(name, tag('moving'), call)).value.digest);
  await write('first');
  const rounds = async (work: (round: number) => Promise<void>) => {
    for (let round = 0; round < ROUNDS; round++) await work(round);
  };
  await Promise.all([
    ...Array.from({ length: WRITERS }, (_, writer) => rounds((round) => write(`${writer}.${round}`))),
    ...Array.from({ length: READERS }, () => rounds(read)),
  ]);
  return { writes, reads };
}

function writeOf({ digest }: Span, writes: readonly Span[]): Span {
  const write = writes.find((each) => each.digest === digest);
  if (!write) throw new Error(`${digest} was read and never written`);
  return write;
}

/** A read may not answer a move that had not begun, nor one that another had wholly replaced before. */
function staleness(read: Span, writes: readonly Span[]): string {
  const write = writeOf(read, writes);
  if (write.startedAt > read.endedAt) return 'from the future';
  const replaced = writes.some((other) => other.startedAt > write.endedAt && other.endedAt < read.startedAt);
  return replaced ? 'stale' : 'fresh';
}

/** Whether a later read went back to a move that had ended before the one read earlier began. */
function isOlder(later: Span, earlier: Span, writes: readonly Span[]): boolean {
  return writeOf(later, writes).endedAt < writeOf(earlier, writes).startedAt;
}
