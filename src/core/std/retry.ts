import type { Clock } from './clock.ts';

/** How often and how long. `attempts` counts the first one. */
export type RetryPolicy = {
  readonly attempts: number;
  /** Mean wait before the second attempt; it doubles from there. */
  readonly baseMs: number;
  /** No computed wait is longer. */
  readonly maxMs: number;
};

/** What to do about a failure: give up (undefined), or try again, after `waitMs` where the failure named one. */
export type RetryVerdict = { readonly waitMs?: number } | undefined;

export type RetryOptions = {
  readonly policy: RetryPolicy;
  readonly clock: Clock;
  /** A number from 0 up to 1. */
  readonly random: () => number;
  readonly signal?: AbortSignal | undefined;
  readonly judge: (thrown: unknown) => RetryVerdict;
};

/**
 * Wait before attempt number `attempt` + 1: the base doubled each time, spread over half to one and a half,
 * so that clients that failed together do not come back together.
 */
export function backoffMs(attempt: number, policy: RetryPolicy, random: () => number): number {
  const middleMs = policy.baseMs * 2 ** (attempt - 1);
  return Math.round(Math.min(policy.maxMs, middleMs * (0.5 + random())));
}

/** Runs `task(attempt)`, counted from 1, until it succeeds, the judge gives up or the attempts are used. Throws the last failure. */
export async function retry<T>(task: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await task(attempt);
    } catch (thrown) {
      const verdict = attempt < options.policy.attempts ? options.judge(thrown) : undefined;
      if (!verdict || options.signal?.aborted) throw thrown;
      const waitMs = verdict.waitMs ?? backoffMs(attempt, options.policy, options.random);
      await options.clock.sleep(waitMs, options.signal);
    }
  }
}

/** Milliseconds that a `Retry-After` header asks for: seconds or an HTTP date. Undefined when it is neither. RFC 9110 10.2.3. */
export function parseRetryAfter(header: string | null, nowMs: number): number | undefined {
  const text = header?.trim() ?? '';
  if (/^[0-9]{1,9}$/.test(text)) return Number(text) * 1000;
  // Only the fixed form: Date.parse takes much more than HTTP dates.
  if (!/^[A-Z][a-z]{2},? .{10,40}$/.test(text)) return undefined;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}
