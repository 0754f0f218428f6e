import { describe, expect, test } from 'bun:test';
import type { BreakerState } from '../types.ts';
import { admission, afterEvent, type BreakerEvent, closedBreaker, revived } from './breaker.ts';

const NOW = 1_000_000;
const RULES = { failures: 3, firstProbeMs: 5000, maxProbeMs: 30_000 };
const CONTEXT = { nowMs: NOW, rules: RULES, random: () => 0.5 };

const closed = (failures = 0): BreakerState => ({
  state: 'closed',
  failures,
  sinceMs: 1,
  ...(failures ? { why: 'w' } : {}),
});
const open = (failures = 3, probeAtMs = NOW + 5000): BreakerState => ({
  state: 'open',
  failures,
  sinceMs: 1,
  probeAtMs,
  why: 'w',
});
const halfOpen = (failures = 3): BreakerState => ({ state: 'half-open', failures, sinceMs: 1, why: 'w' });
const down = (isProbe = false, retryAfterMs?: number): BreakerEvent => ({
  kind: 'down',
  isProbe,
  why: 'w2',
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});
const alive = (isProbe = false): BreakerEvent => ({ kind: 'alive', isProbe });
const silent = (isProbe = false): BreakerEvent => ({ kind: 'silent', isProbe });

describe('the breaker after an event', () => {
  const opened = (failures: number, waitMs: number): BreakerState => ({
    state: 'open',
    failures,
    sinceMs: failures === RULES.failures ? NOW : 1,
    probeAtMs: NOW + waitMs,
    why: 'w2',
  });
  const cases: { name: string; from: BreakerState; event: BreakerEvent; to: BreakerState }[] = [
    { name: 'closed stays closed while it lives', from: closed(), event: alive(), to: closed() },
    { name: 'a first failure is remembered', from: closed(), event: down(), to: { ...closed(1), why: 'w2' } },
    { name: 'an answer between failures begins anew', from: closed(2), event: alive(), to: closedBreaker(NOW) },
    { name: 'a caller that gives up changes nothing', from: closed(2), event: silent(), to: closed(2) },
    { name: 'the third failure in a row opens it', from: closed(2), event: down(), to: opened(3, 5000) },
    { name: 'it waits as long as the upstream asks', from: closed(2), event: down(false, 9000), to: opened(3, 9000) },
    { name: 'but not longer than the bound', from: closed(2), event: down(false, 9e9), to: opened(3, 30_000) },
    {
      name: 'open, a probe goes',
      from: open(),
      event: { kind: 'probe' },
      to: halfOpen(),
    },
    { name: 'open, an old answer says nothing', from: open(), event: alive(), to: open() },
    { name: 'open, an old failure does not prolong it', from: open(), event: down(), to: open() },
    { name: 'half open, the probe is answered', from: halfOpen(), event: alive(true), to: closedBreaker(NOW) },
    { name: 'half open, an old answer says nothing', from: halfOpen(), event: alive(), to: halfOpen() },
    { name: 'half open, the probe fails: twice the wait', from: halfOpen(), event: down(true), to: opened(4, 10_000) },
    { name: 'and twice again', from: halfOpen(4), event: down(true), to: opened(5, 20_000) },
    { name: 'up to the bound', from: halfOpen(40), event: down(true), to: opened(41, 30_000) },
    {
      name: 'half open, the probe’s caller gives up: the next call probes',
      from: halfOpen(),
      event: silent(true),
      to: { ...open(3, NOW) },
    },
  ];
  for (const { name, from, event, to } of cases) {
    test(name, () => expect(afterEvent(from, event, CONTEXT)).toEqual(to));
  }
});

describe('what a call may do', () => {
  const cases: { name: string; breaker: BreakerState; expected: 'go' | 'probe' | 'refuse' }[] = [
    { name: 'closed', breaker: closed(2), expected: 'go' },
    { name: 'open, before the probe', breaker: open(3, NOW + 1), expected: 'refuse' },
    { name: 'open, at the probe', breaker: open(3, NOW), expected: 'probe' },
    { name: 'half open: one probe at a time', breaker: halfOpen(), expected: 'refuse' },
  ];
  for (const { name, breaker, expected } of cases) {
    test(name, () => expect(admission(breaker, { nowMs: NOW, rules: RULES })).toBe(expected));
  }
});

describe('after a restart', () => {
  test('a probe that was under way is sent again', () => expect(revived(halfOpen(), NOW)).toEqual(open(3, NOW)));
  test('an open one stays open', () => expect(revived(open(), NOW)).toEqual(open()));
});
