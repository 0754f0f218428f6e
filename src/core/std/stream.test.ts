import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  type ByteStream,
  chunksOf,
  collectBytes,
  freeChunk,
  hasFreeableChunks,
  streamFrom,
  streamOf,
  withFreeableChunks,
} from './stream.ts';

const bytes = (...values: number[]) => new Uint8Array(values);
const tooLarge = () => new Error('too large');

/** A stream of pieces, and what became of it. */
function watched(pieces: readonly Uint8Array[]) {
  const seen = { pulled: 0, left: false };
  const stream = streamFrom(
    (async function* () {
      try {
        for (const piece of pieces) {
          seen.pulled += 1;
          yield piece;
        }
      } finally {
        seen.left = true;
      }
    })(),
  );
  return { stream, seen };
}

async function collected(source: ByteStream | Uint8Array): Promise<number[]> {
  return [...(await collectBytes(source, 1000, tooLarge))];
}

describe('byte streams', () => {
  test('what goes in comes out, whatever the pieces', async () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(pieces, async (parts) => {
        expect(await collected(watched(parts).stream)).toEqual([...Buffer.concat(parts)]);
      }),
    );
  });

  test('bytes as a stream and back', async () => {
    for (const source of [bytes(), bytes(1, 2, 3)]) {
      expect(await collected(streamOf(source))).toEqual([...source]);
      expect(await collected(source)).toEqual([...source]);
    }
  });

  test('empty pieces are left out', async () => {
    const found: number[] = [];
    for await (const chunk of chunksOf(watched([bytes(), bytes(1), bytes()]).stream)) found.push(chunk.byteLength);
    expect(found).toEqual([1]);
  });

  test('who leaves early ends the source', async () => {
    const { stream, seen } = watched([bytes(1), bytes(2), bytes(3)]);
    for await (const _ of chunksOf(stream)) break;
    expect(seen).toEqual({ pulled: 1, left: true });
  });

  test('nothing is read ahead', async () => {
    const { stream, seen } = watched([bytes(1), bytes(2)]);
    await Bun.sleep(0);
    expect(seen.pulled).toBe(0);
    await stream.cancel();
  });

  test('too much is refused as soon as it is seen', async () => {
    const { stream, seen } = watched(Array.from({ length: 100 }, () => new Uint8Array(10)));
    await expect(collectBytes(stream, 25, tooLarge)).rejects.toThrow('too large');
    expect(seen).toEqual({ pulled: 3, left: true });
    await expect(collectBytes(new Uint8Array(26), 25, tooLarge)).rejects.toThrow('too large');
  });

  test('chunks are freed only where that was said, and views never', () => {
    expect([hasFreeableChunks(streamOf(bytes(1))), hasFreeableChunks(bytes(1))]).toEqual([false, false]);
    expect(hasFreeableChunks(withFreeableChunks(streamOf(bytes(1))))).toBe(true);
    const whole = bytes(1, 2);
    const view = bytes(1, 2, 3).subarray(1);
    freeChunk(whole);
    freeChunk(view);
    expect([whole.byteLength, view.byteLength]).toEqual([0, 2]);
  });

  test('an error of the source comes through', async () => {
    const stream = streamFrom(
      (async function* () {
        yield bytes(1);
        throw new Error('cut');
      })(),
    );
    await expect(collected(stream)).rejects.toThrow('cut');
  });
});
