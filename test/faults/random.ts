/** Numbers that are the same for the same seed: a failing campaign can be run again. */
export type Random = {
  /** From 0 up to but not including `limit`. */
  readonly below: (limit: number) => number;
  readonly pick: <T>(from: readonly T[]) => T | undefined;
  readonly bytes: (count: number) => Uint8Array;
};

/** mulberry32: 32 bits of state are plenty for choosing what to do next. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const below = (limit: number) => Math.floor((next() / 2 ** 32) * limit);
  return {
    below,
    pick: (from) => from[below(from.length)],
    bytes: (count) => {
      const words = new Uint32Array(Math.ceil(count / 4)).map(next);
      return new Uint8Array(words.buffer).subarray(0, count);
    },
  };
}
