/** Told of bytes that went; answers how many milliseconds nothing may follow. */
export type Pacer = (bytes: number) => number;

// Timers come late by a millisecond or a few: as much is made up for.
const savedMs = 10;

/** A link of so many bytes a second, whoever uses it. An idle link saves next to nothing up. */
export function createPacer(bytesPerSecond: number, now: () => number = () => performance.now()): Pacer {
  let freeAtMs = Number.NEGATIVE_INFINITY;
  return (bytes) => {
    freeAtMs = Math.max(freeAtMs, now() - savedMs) + (bytes / bytesPerSecond) * 1000;
    return freeAtMs - now();
  };
}
