import { describe, expect, test } from 'bun:test';
import type { Quota } from '../types.ts';
import { afterRefusal, afterSeen, judge, type Wish } from './quota.ts';

const NOW = 1_000_000_000;
const HOUR = 3_600_000;
const EMPTY: Quota = { account: 'joe', seenAtMs: 0 };
const HUB: Quota = {
  account: 'joe',
  limit: 100,
  remaining: 50,
  windowSeconds: 21_600,
  resetAtMs: NOW + HOUR,
  seenAtMs: NOW - 1,
};

describe('what an answer told of the limit', () => {
  const window = { limit: 100, windowSeconds: 21_600, seenAtMs: NOW };
  const cases: { name: string; before: Quota; seen: Parameters<typeof afterSeen>[1]; expected: Partial<Quota> }[] = [
    {
      name: 'a first window ends, at the latest, one window from now',
      before: EMPTY,
      seen: { ...window, remaining: 99 },
      expected: { limit: 100, remaining: 99, resetAtMs: NOW + 6 * HOUR },
    },
    {
      name: 'a count that goes down is of the same window',
      before: HUB,
      seen: { ...window, remaining: 49 },
      expected: { remaining: 49, resetAtMs: NOW + HOUR },
    },
    {
      name: 'a count that goes up is of a new one',
      before: HUB,
      seen: { ...window, remaining: 100 },
      expected: { remaining: 100, resetAtMs: NOW + 6 * HOUR },
    },
    {
      name: 'after its end a new one begins',
      before: { ...HUB, resetAtMs: NOW - 1 },
      seen: { ...window, remaining: 49 },
      expected: { resetAtMs: NOW + 6 * HOUR },
    },
    {
      name: 'a reset that is told is believed',
      before: HUB,
      seen: { ...window, remaining: 10, resetSeconds: 60 },
      expected: { resetAtMs: NOW + 60_000 },
    },
    {
      name: 'but not for longer than a day',
      before: HUB,
      seen: { ...window, remaining: 10, resetSeconds: 1e9 },
      expected: { resetAtMs: NOW + 24 * HOUR },
    },
    {
      name: 'a block that lasts stays',
      before: { ...HUB, blockedUntilMs: NOW + 5 },
      seen: { ...window, remaining: 10 },
      expected: { blockedUntilMs: NOW + 5 },
    },
  ];
  for (const { name, before, seen, expected } of cases) {
    test(name, () => expect(afterSeen(before, seen)).toMatchObject(expected));
  }

  test('a block that is over is forgotten', () => {
    const before = { ...HUB, blockedUntilMs: NOW - 5, pullsBlockedUntilMs: NOW };
    const after = afterSeen(before, { remaining: 10, seenAtMs: NOW });
    expect(after).not.toHaveProperty('blockedUntilMs');
    expect(after).not.toHaveProperty('pullsBlockedUntilMs');
  });
});

describe('a refusal', () => {
  const refused = { nowMs: NOW, isPull: false, retryAfterMs: undefined, count: 1, random: () => 0.5 };
  const cases: {
    name: string;
    before?: Quota;
    refused: Partial<Parameters<typeof afterRefusal>[1]>;
    expected: object;
  }[] = [
    { name: 'with Retry-After blocks all', refused: { retryAfterMs: 7000 }, expected: { blockedUntilMs: NOW + 7000 } },
    {
      name: 'is believed for a day',
      refused: { retryAfterMs: 1e12 },
      expected: { blockedUntilMs: NOW + 24 * HOUR },
    },
    { name: 'without it blocks for a while', refused: {}, expected: { blockedUntilMs: NOW + 30_000 } },
    { name: 'again, for longer', refused: { count: 3 }, expected: { blockedUntilMs: NOW + 120_000 } },
    { name: 'and longer, within bounds', refused: { count: 60 }, expected: { blockedUntilMs: NOW + 900_000 } },
    { name: 'of a pull blocks pulls', refused: { isPull: true }, expected: { pullsBlockedUntilMs: NOW + 30_000 } },
    {
      name: 'of a pull when all are used up lasts to the reset',
      before: { ...HUB, remaining: 0 },
      refused: { isPull: true },
      expected: { pullsBlockedUntilMs: NOW + HOUR },
    },
  ];
  for (const { name, before = EMPTY, refused: given, expected } of cases) {
    test(name, () => expect(afterRefusal(before, { ...refused, ...given })).toMatchObject(expected));
  }

  test('of a pull leaves the rest alone', () => {
    expect(afterRefusal(EMPTY, { ...refused, isPull: true })).not.toHaveProperty('blockedUntilMs');
  });
});

describe('whether an account may be asked', () => {
  const pull: Wish = { nowMs: NOW, isPull: true, isWarm: false, pending: 0, reserve: { pulls: 0 } };
  const left = (remaining: number): Quota => ({ ...HUB, remaining });
  const cases: { name: string; quota: Quota; wish?: Partial<Wish>; expected: object }[] = [
    { name: 'nothing known', quota: EMPTY, expected: { kind: 'go' } },
    { name: 'no window known', quota: { account: 'joe', remaining: 0, seenAtMs: NOW }, expected: { kind: 'go' } },
    { name: 'the window is over', quota: { ...left(0), resetAtMs: NOW }, expected: { kind: 'go' } },
    { name: 'the last pull', quota: left(1), expected: { kind: 'go', left: 1 } },
    { name: 'no pull left', quota: left(0), expected: { kind: 'reserved', untilMs: NOW + HOUR } },
    { name: 'the last one is under way', quota: left(1), wish: { pending: 1 }, expected: { kind: 'reserved' } },
    { name: 'above the reserve', quota: left(11), wish: { reserve: { pulls: 10 } }, expected: { kind: 'go' } },
    {
      name: 'at the reserve',
      quota: left(10),
      wish: { reserve: { pulls: 10 } },
      expected: { kind: 'reserved', why: expect.stringContaining('10 are kept for others') },
    },
    { name: 'what is free to ask, at the reserve', quota: left(0), wish: { isPull: false }, expected: { kind: 'go' } },
    { name: 'warm, above a quarter', quota: left(26), wish: { isWarm: true }, expected: { kind: 'go' } },
    {
      name: 'warm, at a quarter',
      quota: left(25),
      wish: { isWarm: true },
      expected: { kind: 'reserved', why: expect.stringContaining('25 are kept for pulls that somebody waits for') },
    },
    {
      name: 'warm, as configured',
      quota: left(25),
      wish: { isWarm: true, reserve: { pulls: 0, warmPulls: 20 } },
      expected: { kind: 'go' },
    },
    {
      name: 'blocked',
      quota: { ...HUB, blockedUntilMs: NOW + 9 },
      wish: { isPull: false },
      expected: { kind: 'blocked', untilMs: NOW + 9 },
    },
    {
      name: 'pulls blocked',
      quota: { ...HUB, pullsBlockedUntilMs: NOW + 9 },
      expected: { kind: 'blocked', untilMs: NOW + 9 },
    },
    {
      name: 'pulls blocked, and no pull',
      quota: { ...HUB, pullsBlockedUntilMs: NOW + 9 },
      wish: { isPull: false },
      expected: { kind: 'go' },
    },
  ];
  for (const { name, quota, wish, expected } of cases) {
    test(name, () => expect(judge(quota, { ...pull, ...wish })).toMatchObject(expected));
  }
});
