import { type Clock, systemClock } from '#core/std';

/** Real time, which files are dated by; but nobody waits. */
export function hastyClock(): Clock {
  let skippedMs = 0;
  return {
    now: () => systemClock().now() + skippedMs,
    sleep: async (delayMs) => {
      skippedMs += delayMs;
    },
  };
}
