import { backoffMs } from '#core/std';
import type { BreakerState } from '../types.ts';
import type { BreakerRules } from './types.ts';

/**
 * A call waits for its client's own second try, so three in a row are six exchanges that failed. The first probe goes
 * soon, as most outages are short; one request every five minutes harms nobody who recovers.
 */
export const BREAKER_RULES: BreakerRules = { failures: 3, firstProbeMs: 5000, maxProbeMs: 300_000 };

/** What a call told of the upstream. `down` may say itself when to come again. */
export type BreakerEvent =
  | { readonly kind: 'probe' }
  | { readonly kind: 'alive'; readonly isProbe: boolean }
  | { readonly kind: 'down'; readonly isProbe: boolean; readonly why: string; readonly retryAfterMs?: number }
  /** It ended without telling anything: its caller gave up, or it was never sent. */
  | { readonly kind: 'silent'; readonly isProbe: boolean };

export type BreakerContext = {
  readonly nowMs: number;
  readonly rules: BreakerRules;
  /** A number from 0 up to 1. */
  readonly random: () => number;
};

export function closedBreaker(nowMs: number): BreakerState {
  return { state: 'closed', failures: 0, sinceMs: nowMs };
}

export type Asking = Pick<BreakerContext, 'nowMs' | 'rules'>;

/** What may be done with a call: sent, sent as the one that finds out, or refused. */
export function admission(breaker: BreakerState, { nowMs, rules }: Asking): 'go' | 'probe' | 'refuse' {
  if (breaker.state === 'closed') return 'go';
  const waitMs = (breaker.probeAtMs ?? 0) - nowMs;
  // No wait is that long: the clock was set back.
  const isDue = waitMs <= 0 || waitMs > rules.maxProbeMs;
  return breaker.state === 'open' && isDue ? 'probe' : 'refuse';
}

/** The breaker after an event: the same object where nothing changed. */
export function afterEvent(breaker: BreakerState, event: BreakerEvent, context: BreakerContext): BreakerState {
  if (breaker.state === 'closed') return afterClosed(breaker, event, context);
  if (breaker.state === 'open') {
    return event.kind === 'probe' ? { ...withoutProbe(breaker), state: 'half-open' } : breaker;
  }
  // What was sent before it opened says nothing of now.
  if (event.kind === 'probe' || !event.isProbe) return breaker;
  if (event.kind === 'alive') return closedBreaker(context.nowMs);
  if (event.kind === 'silent') return { ...breaker, state: 'open', probeAtMs: context.nowMs };
  return opened(breaker, event, context);
}

function afterClosed(breaker: BreakerState, event: BreakerEvent, context: BreakerContext): BreakerState {
  if (event.kind === 'alive') return breaker.failures === 0 ? breaker : closedBreaker(context.nowMs);
  if (event.kind !== 'down') return breaker;
  if (breaker.failures + 1 >= context.rules.failures) return opened(breaker, event, context);
  return { ...breaker, failures: breaker.failures + 1, why: event.why };
}

function opened(
  breaker: BreakerState,
  event: { readonly why: string; readonly retryAfterMs?: number },
  { nowMs, rules, random }: BreakerContext,
): BreakerState {
  const failures = breaker.failures + 1;
  const policy = { attempts: failures, baseMs: rules.firstProbeMs, maxMs: rules.maxProbeMs };
  const waitMs = backoffMs(Math.max(1, failures - rules.failures + 1), policy, random);
  const askedMs = Math.min(event.retryAfterMs ?? 0, rules.maxProbeMs);
  // People ask since when it is down, not when it was last found so.
  const sinceMs = breaker.state === 'closed' ? nowMs : breaker.sinceMs;
  return { state: 'open', failures, sinceMs, probeAtMs: nowMs + Math.max(waitMs, askedMs), why: event.why };
}

function withoutProbe({ probeAtMs: _, ...rest }: BreakerState): Omit<BreakerState, 'probeAtMs'> {
  return rest;
}

/** A breaker that another process left: a probe that was under way there is not under way here. */
export function revived(breaker: BreakerState, nowMs: number): BreakerState {
  return breaker.state === 'half-open' ? { ...breaker, state: 'open', probeAtMs: nowMs } : breaker;
}
