import { backoffMs } from '#core/std';
import type { Quota } from '../types.ts';
import type { Reserve, SeenLimit } from './types.ts';

/** A limit that says nothing of its end is tried again after half a minute, then after longer and longer. */
const UNTOLD = { attempts: 0, baseMs: 30_000, maxMs: 900_000 };
/** No upstream is believed longer: windows in the field are of six hours, and clocks fail. */
const MAX_BLOCK_MS = 24 * 3_600_000;
/** Seen later than now by more than this, an answer is of a clock that was set back: nobody knows when it was. */
const CLOCK_SLACK_MS = 60_000;
/** Of a limit, what is left to pulls that somebody waits for when nobody said how much. */
const WARM_SHARE = 0.25;

/** The quota after an answer that told of the limit. */
export function afterSeen(before: Quota, seen: SeenLimit): Quota {
  const { limit, remaining, windowSeconds, seenAtMs } = seen;
  const resetAtMs = resetOf(before, seen);
  return {
    account: before.account,
    ...(limit === undefined ? {} : { limit }),
    ...(remaining === undefined ? {} : { remaining }),
    ...(windowSeconds === undefined ? {} : { windowSeconds }),
    ...(resetAtMs === undefined ? {} : { resetAtMs }),
    ...blocksOf(before, seenAtMs),
    seenAtMs,
  };
}

/** Where only the window's length is told (Docker Hub), it began no later than when we saw the count go up. */
function resetOf(before: Quota, { remaining, windowSeconds, resetSeconds, seenAtMs }: SeenLimit): number | undefined {
  if (resetSeconds !== undefined) return seenAtMs + Math.min(resetSeconds * 1000, MAX_BLOCK_MS);
  if (windowSeconds === undefined) return undefined;
  const isSameWindow =
    before.resetAtMs !== undefined &&
    before.resetAtMs > seenAtMs &&
    before.windowSeconds === windowSeconds &&
    (remaining ?? 0) <= (before.remaining ?? 0);
  return isSameWindow ? before.resetAtMs : seenAtMs + Math.min(windowSeconds * 1000, MAX_BLOCK_MS);
}

function blocksOf(
  { blockedUntilMs, pullsBlockedUntilMs }: Quota,
  nowMs: number,
): Pick<Quota, 'blockedUntilMs' | 'pullsBlockedUntilMs'> {
  return {
    ...(blockedUntilMs !== undefined && blockedUntilMs > nowMs ? { blockedUntilMs } : {}),
    ...(pullsBlockedUntilMs !== undefined && pullsBlockedUntilMs > nowMs ? { pullsBlockedUntilMs } : {}),
  };
}

export type Refused = {
  readonly nowMs: number;
  readonly isPull: boolean;
  /** From Retry-After. */
  readonly retryAfterMs: number | undefined;
  /** How many refusals in a row this is, from 1. */
  readonly count: number;
  readonly random: () => number;
};

/** The quota after a 429, of the registry or of its token server. */
export function afterRefusal(before: Quota, { nowMs, isPull, retryAfterMs, count, random }: Refused): Quota {
  const after = { ...before, seenAtMs: nowMs };
  if (retryAfterMs !== undefined) return { ...after, blockedUntilMs: nowMs + Math.min(retryAfterMs, MAX_BLOCK_MS) };
  const untilMs = nowMs + backoffMs(count, UNTOLD, random);
  if (!isPull) return { ...after, blockedUntilMs: untilMs };
  const isUsedUp = before.remaining === 0 && before.resetAtMs !== undefined && before.resetAtMs > nowMs;
  return { ...after, pullsBlockedUntilMs: isUsedUp ? (before.resetAtMs ?? untilMs) : untilMs };
}

export type Wish = {
  readonly nowMs: number;
  readonly isPull: boolean;
  readonly isWarm: boolean;
  /** Pulls under way, which the count does not know yet. */
  readonly pending: number;
  readonly reserve: Reserve;
};

export type Verdict = { readonly kind: 'go'; readonly left: number } | Stop;
export type Stop = {
  readonly kind: 'blocked' | 'reserved';
  /** When to come again. */
  readonly untilMs: number;
  readonly why: string;
};

/** Whether an account may be asked, and how many pulls it has left. Without a count nothing is assumed. */
export function judge(quota: Quota, wish: Wish): Verdict {
  const { nowMs, isPull } = wish;
  if (quota.seenAtMs > nowMs + CLOCK_SLACK_MS) return { kind: 'go', left: Number.POSITIVE_INFINITY };
  const blockedUntilMs = Math.max(quota.blockedUntilMs ?? 0, isPull ? (quota.pullsBlockedUntilMs ?? 0) : 0);
  if (blockedUntilMs > nowMs) {
    return { kind: 'blocked', untilMs: blockedUntilMs, why: `it limited ${quota.account}` };
  }
  const { remaining, resetAtMs } = quota;
  if (remaining === undefined || resetAtMs === undefined || resetAtMs <= nowMs) {
    return { kind: 'go', left: Number.POSITIVE_INFINITY };
  }
  const left = remaining - wish.pending;
  const { floor, why } = floorOf(quota, wish);
  if (!isPull || left > floor) return { kind: 'go', left };
  const count = `${Math.max(0, left)} of ${quota.limit ?? '?'} pulls are left to ${quota.account}`;
  return { kind: 'reserved', untilMs: resetAtMs, why: `${count}${why}` };
}

function floorOf(quota: Quota, { isWarm, reserve }: Wish): { floor: number; why: string } {
  const warm = reserve.warmPulls ?? reserve.pulls + Math.ceil((quota.limit ?? 0) * WARM_SHARE);
  if (isWarm && warm > reserve.pulls)
    return { floor: warm, why: `, and ${warm} are kept for pulls that somebody waits for` };
  if (reserve.pulls === 0) return { floor: 0, why: '' };
  return {
    floor: reserve.pulls,
    why: `, and ${reserve.pulls} are kept for others who use it (limits.reserve)`,
  };
}
