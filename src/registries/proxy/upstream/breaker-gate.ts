import { RegistryError } from '#core/oci';
import type { BreakerState } from '../types.ts';
import { admission, afterEvent, type BreakerEvent, closedBreaker, revived } from './breaker.ts';
import { breakerEventOf } from './outcome.ts';
import type { BreakerRules } from './types.ts';

/** One call that was let through. One of both is called, once. */
export type Pass = { alive(): void; failed(thrown: unknown, isCut: boolean): void };

/** The breaker of one upstream, as its calls meet it. */
export type BreakerGate = {
  /** Throws UPSTREAM_UNAVAILABLE where `admit` would. */
  check(): void;
  /** Throws UPSTREAM_UNAVAILABLE at once while it is open. */
  admit(): Pass;
  state(): BreakerState;
  restore(breaker: BreakerState): void;
};

export type BreakerGateOptions = {
  readonly host: string;
  readonly rules: BreakerRules;
  readonly now: () => number;
  readonly random: () => number;
  readonly onChange: (breaker: BreakerState) => void;
};

export function createBreakerGate({ host, rules, now, random, onChange }: BreakerGateOptions): BreakerGate {
  let breaker = closedBreaker(now());
  const change = (event: BreakerEvent) => {
    const before = breaker;
    breaker = afterEvent(breaker, event, { nowMs: now(), rules, random });
    if (breaker.state !== before.state) onChange(breaker);
  };
  const admitted = () => {
    const may = admission(breaker, { nowMs: now(), rules });
    if (may === 'refuse') throw openError(host, breaker, now());
    return may === 'probe';
  };
  return {
    check: () => void admitted(),
    admit() {
      const isProbe = admitted();
      if (isProbe) change({ kind: 'probe' });
      return {
        alive: () => change({ kind: 'alive', isProbe }),
        failed: (thrown, isCut) => change(breakerEventOf(thrown, { isProbe, isCut })),
      };
    },
    state: () => breaker,
    restore(remembered) {
      breaker = revived(remembered, now());
    },
  };
}

/** A probe is out: when it comes back is not known, so come again soon. */
const PROBING_MS = 1000;

function openError(host: string, { why, probeAtMs, sinceMs }: BreakerState, nowMs: number): RegistryError {
  const next = probeAtMs === undefined ? 'one request is finding out now' : `next try at ${isoOf(probeAtMs)}`;
  return new RegistryError(
    'UPSTREAM_UNAVAILABLE',
    `${host} is down since ${isoOf(sinceMs)} and is not asked; ${next}`,
    {
      origin: 'upstream',
      upstream: { registry: host },
      ...(why === undefined ? {} : { why }),
      hint: `see what it is with: entrepot upstream test ${host}`,
      retryAfterMs: probeAtMs === undefined ? PROBING_MS : Math.max(0, probeAtMs - nowMs),
    },
  );
}

const isoOf = (atMs: number) => new Date(atMs).toISOString();
