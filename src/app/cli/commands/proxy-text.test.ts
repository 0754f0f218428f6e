import { describe, expect, test } from 'bun:test';
import type { CacheEntry, QuotaItem, UpstreamItem } from '#surface/server/api';
import { cacheLines } from './cache-lines.ts';
import { breakerText, quotaText } from './upstream-run.ts';

const NOW_MS = Date.UTC(2026, 10, 23, 12);
const at = (minutes: number) => new Date(NOW_MS + minutes * 60_000).toISOString();

const upstream: UpstreamItem = {
  host: 'docker.io',
  namespaces: ['hub'],
  breaker: { state: 'closed', failures: 0 },
  quotas: [],
  reservePulls: 0,
  requests: 0,
  bytes: 0,
  pulls: 0,
  active: 0,
  waiting: 0,
};

describe('what is left of a quota', () => {
  const cases: { name: string; quota: Omit<QuotaItem, 'account'>; reservePulls?: number; text: string }[] = [
    { name: 'nothing was said', quota: {}, text: 'corp: not told' },
    {
      name: 'all of it',
      quota: { limit: 100, remaining: 80, resetAt: at(300), seenAt: at(-2) },
      reservePulls: 20,
      text: 'corp: 80 of 100 left, all back in 5 h, 20 kept back, seen 2 min ago',
    },
    {
      name: 'asked to wait',
      quota: { remaining: 0, blockedUntil: at(90) },
      text: 'corp: 0 left, not asked for 1 h 30 min',
    },
    { name: 'a wait that is over', quota: { remaining: 3, blockedUntil: at(-1) }, text: 'corp: 3 left' },
  ];
  for (const { name, quota, reservePulls = 0, text } of cases) {
    test(name, () => {
      expect(quotaText({ account: 'corp', ...quota }, { ...upstream, reservePulls }, NOW_MS)).toBe(text);
    });
  }
});

test('an upstream that is left alone, and until when', () => {
  const breaker = { state: 'open' as const, failures: 5, probeAt: at(1), why: 'refused' };
  expect([breakerText(upstream, NOW_MS), breakerText({ ...upstream, breaker }, NOW_MS)]).toEqual([
    'not asked yet',
    'down after 5 failures, next try in 1 min',
  ]);
  const failed = { ...upstream, requests: 9, breaker: { state: 'closed' as const, failures: 2 } };
  expect([breakerText({ ...upstream, requests: 9 }, NOW_MS), breakerText(failed, NOW_MS)]).toEqual([
    'ok',
    'failed 2 times in a row',
  ]);
});

describe('what a cache knows', () => {
  const entry: CacheEntry = {
    namespace: 'hub',
    repository: 'hub/library/redis',
    reference: '7',
    upstream: 'docker.io/library/redis',
    cached: true,
    rule: 'freshness',
    next: 'hit',
    why: 'it is fresh',
  };
  const cases: { name: string; more: Partial<CacheEntry>; line: string }[] = [
    { name: 'all is here', more: {}, line: 'cached     yes' },
    {
      name: 'some is',
      more: { blobs: { here: 2, all: 5, bytesHere: 20_000, bytes: 1_000_000 } },
      line: 'cached     in part: 2 of 5 blobs, 20.0 kB of 1.0 MB',
    },
    { name: 'fresh', more: { freshUntil: at(9) }, line: 'fresh      for 9 min' },
    {
      name: 'no more, but served',
      more: { freshUntil: at(-5), servedStaleUntil: at(60) },
      line: 'fresh      no more, since 5 min ago; without the upstream served for 1 h',
    },
    {
      name: 'known not to be there',
      more: { cached: false, next: 'negative', freshUntil: at(1) },
      line: 'absent     so the upstream said; for 1 min it is not asked again',
    },
    {
      name: 'neither',
      more: { freshUntil: at(-5), servedStaleUntil: at(-1) },
      line: 'fresh      no more, since 5 min ago',
    },
  ];
  for (const { name, more, line } of cases) {
    test(name, () => expect(cacheLines({ ...entry, ...more }, upstream, NOW_MS)).toContain(line));
  }

  test('what was dropped to make room has no age', () => {
    const lines = cacheLines({ ...entry, cached: false, next: 'fetch', freshUntil: at(9) }, upstream, NOW_MS);
    expect(lines.filter((line) => /^(?:fresh|absent)/.test(line))).toEqual([]);
  });

  const down = { breaker: { state: 'open' as const, failures: 3, probeAt: at(1) } };
  const corp = { account: 'corp', remaining: 2, limit: 5 };
  const hindrances: { name: string; next: CacheEntry['next']; state: Partial<UpstreamItem>; lines: string[] }[] = [
    {
      name: 'nothing is here, and the upstream is down',
      next: 'fetch',
      state: down,
      lines: ['but now    it fails: docker.io is down after 3 failures, next try in 1 min'],
    },
    {
      name: 'a copy is here, and the upstream is down',
      next: 'revalidate',
      state: down,
      lines: ['but now    the copy is served, as stale: docker.io is down after 3 failures, next try in 1 min'],
    },
    { name: 'what is fresh asks nobody', next: 'hit', state: down, lines: [] },
    {
      name: 'the quota is down to the reserve',
      next: 'fetch',
      state: { reservePulls: 2, quotas: [corp] },
      lines: ['but now    it fails: docker.io is down to its quota (corp: 2 of 5 left, 2 kept back)'],
    },
    { name: 'another account has some left', next: 'fetch', state: { quotas: [corp] }, lines: [] },
  ];
  for (const { name, next, state, lines } of hindrances) {
    test(name, () => {
      const shown = cacheLines({ ...entry, next }, { ...upstream, ...state }, NOW_MS);
      expect(shown.slice(-1 - lines.length)).toEqual([`next pull  ${next}: it is fresh`, ...lines]);
    });
  }
  test('the rule is the entry that fits, or that none does', () => {
    const ruleIn = (rule: string) =>
      cacheLines({ ...entry, rule }, upstream, NOW_MS).find((one) => one.startsWith('rule'));
    expect([ruleIn('freshness'), ruleIn('freshness[1] (latest)')]).toEqual([
      'rule       that of the namespace: no entry of freshness fits',
      'rule       freshness[1] (latest)',
    ]);
  });
});
