import type { Clock } from '#core/std';

/** Lets bytes pass at a rate that all streams share, each in turn. */
export type Pace = {
  /** Answers when so many bytes may pass. Rejects with the signal's reason. */
  pass(bytes: number, signal: AbortSignal | undefined): Promise<void>;
};

/** What passes at once: small enough that streams take turns, large enough that turns cost nothing. */
const TURN_BYTES = 64 * 1024;
/** What may be made up for after a pause, so that a timer that fires late loses nothing. */
const BURST_MS = 100;

/**
 * Each turn is given a time on one line of time, in order of asking; as a stream asks for its next turn only after the
 * last, streams share the line equally whatever the size of their pieces.
 */
export function createPace(bytesPerSecond: number, clock: Clock): Pace {
  // Shorter turns where the rate is low: otherwise one would last for seconds.
  const turnBytes = Math.max(1, Math.min(TURN_BYTES, Math.floor(bytesPerSecond / 8)));
  let freeAtMs = 0;
  let seenAtMs = 0;
  return {
    async pass(bytes, signal) {
      for (let left = bytes; left > 0; left -= turnBytes) {
        const nowMs = clock.now();
        // A clock that is set back takes the line with it.
        if (nowMs < seenAtMs) freeAtMs -= seenAtMs - nowMs;
        seenAtMs = nowMs;
        const startMs = Math.max(freeAtMs, nowMs - BURST_MS);
        freeAtMs = startMs + (Math.min(left, turnBytes) / bytesPerSecond) * 1000;
        if (startMs > nowMs) await clock.sleep(startMs - nowMs, signal);
      }
    },
  };
}
