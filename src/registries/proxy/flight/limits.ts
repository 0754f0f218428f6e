import type { RetryPolicy } from '#core/std';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** Every bound of a download. */
export type FlightLimits = {
  /** A source that sends nothing for so long is left. Clients of ours wait no longer than a minute either. */
  readonly idleMs: number;
  /** A net below the source's own limits: its first answer, and the wait for a free connection. */
  readonly answerMs: number;
  /** Waits between tries; `attempts` counts only tries in a row that brought no byte. */
  readonly retry: RetryPolicy;
  /** A source that asks for more patience than this is not waited for. */
  readonly longestWaitMs: number;
  /** The newest bytes of all downloads together that stay in memory; and as many read back for readers who fell behind. */
  readonly tipBytes: number;
  /** The memory of so many bytes that were passed on is collected at once. */
  readonly sweepBytes: number;
  /** What one download has of it at least, however many there are. */
  readonly tipLeastBytes: number;
  /** The end of a blob that nobody gets before size and digest hold: what is smaller is never seen unverified. */
  readonly heldBackBytes: number;
  /** With more than this to go, a download stops when its last reader has gone; what came is kept. */
  readonly unattendedBytes: number;
  /** So many bytes of parts that nobody went on with are kept, the newest. */
  readonly keptBytes: number;
};

export const DEFAULT_FLIGHT_LIMITS: FlightLimits = {
  idleMs: 60_000,
  answerMs: 10 * 60_000,
  retry: { attempts: 6, baseMs: 250, maxMs: 10_000 },
  longestWaitMs: 30_000,
  tipBytes: 4 * MIB,
  sweepBytes: 4 * MIB,
  tipLeastBytes: 256 * 1024,
  heldBackBytes: 64 * 1024,
  unattendedBytes: GIB,
  keptBytes: 20 * GIB,
};
