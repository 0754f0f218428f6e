import { describe, expect, test } from 'bun:test';
import { digestOf, MediaType } from '#core/oci';
import { type Clock, manualClock, streamOf } from '#core/std';
import { memory } from '../memory/memory.ts';
import type { Call, Handover } from '../types.ts';
import { createContext, type RunContext } from './context.ts';
import { HandoverError, mayHandOver, type Passing, passOn } from './hand-over.ts';

const BYTES = new TextEncoder().encode('a layer');
const BLOB = { mediaType: MediaType.ociLayer, digest: digestOf(BYTES), size: BYTES.byteLength };
const CALL: Call = { principal: { kind: 'system', name: 'test' }, requestId: 'test', purpose: 'mirror' };

/** A clock whose waits end only when they are given up. */
const patient: Clock = {
  now: () => 0,
  sleep: (_, signal) =>
    new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
};

function runWith(clock: Clock, call: Call = CALL): RunContext {
  return createContext({ source: { name: 'source', registry: memory() }, call, clock });
}

function passing(commit: Passing['commit']) {
  const ends: unknown[] = [];
  const handOver = (): Handover => ({ body: streamOf(BYTES), end: (reason) => void ends.push(reason) });
  return { ends, way: { handOver, commit } };
}

describe('a blob that is passed on', () => {
  test('arrives as it is, and its connection is let go', async () => {
    const run = runWith(patient);
    let got = '';
    const { ends, way } = passing(async (body) => {
      got = await new Response(body).text();
    });
    expect(await passOn(run, BLOB, way)).toBeUndefined();
    expect(got).toBe('a layer');
    expect(ends).toEqual([undefined]);
    expect(mayHandOver(run, BLOB)).toBe(true);
  });

  test('is refused: the run goes the watched way from then on', async () => {
    const run = runWith(patient);
    const refusal = new Error('refused');
    const { ends, way } = passing(() => Promise.reject(refusal));
    expect((await passOn(run, BLOB, way))?.cause).toBe(refusal);
    expect(ends).toEqual([refusal]);
    expect(mayHandOver(run, BLOB)).toBe(false);
  });

  test('stands still: its time ends both connections', async () => {
    const { ends, way } = passing(
      (_, { signal }) =>
        new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
    );
    const failure = await passOn(runWith(manualClock()), BLOB, way);
    expect(failure).toBeInstanceOf(HandoverError);
    expect(String(ends[0])).toContain('took too long');
  });

  test('ends when the caller gives up', async () => {
    const caller = new AbortController();
    const run = runWith(patient, { ...CALL, signal: caller.signal });
    const { way } = passing((_, { signal }) => {
      caller.abort(new Error('no more'));
      return Promise.reject(signal?.reason);
    });
    expect(String((await passOn(run, BLOB, way))?.cause)).toContain('no more');
  });

  test.each([
    { name: 'nothing', size: 0, may: false },
    { name: 'one byte', size: 1, may: true },
    { name: '64 MiB', size: 64 * 1024 * 1024, may: true },
    { name: 'more', size: 64 * 1024 * 1024 + 1, may: false },
  ])('is neither empty nor large: $name', ({ size, may }) => {
    expect(mayHandOver(runWith(patient), { ...BLOB, size })).toBe(may);
  });
});
