import { describe, expect, test } from 'bun:test';
import { agoText, untilText } from './time.ts';

const NOW_MS = Date.UTC(2026, 10, 23);
const HOUR_MS = 3_600_000;

describe('times as people say them', () => {
  const cases = [
    { name: 'nothing', ms: 0, ago: 'just now', until: 'now' },
    { name: 'seconds', ms: 42_500, ago: '42 s ago', until: 'in 42 s' },
    { name: 'minutes', ms: 59.9 * 60_000, ago: '59 min ago', until: 'in 59 min' },
    { name: 'an hour and some', ms: 1.5 * HOUR_MS, ago: '1 h 30 min ago', until: 'in 1 h 30 min' },
    { name: 'whole hours', ms: 5 * HOUR_MS, ago: '5 h ago', until: 'in 5 h' },
    { name: 'days and hours', ms: 51 * HOUR_MS, ago: '2 d 3 h ago', until: 'in 2 d 3 h' },
    { name: 'many days', ms: 30.5 * 24 * HOUR_MS, ago: '30 d ago', until: 'in 30 d' },
  ];
  for (const { name, ms, ago, until } of cases) {
    test(name, () => {
      const before = new Date(NOW_MS - ms).toISOString();
      const after = new Date(NOW_MS + ms).toISOString();
      expect([agoText(before, NOW_MS), untilText(after, NOW_MS)]).toEqual([ago, until]);
    });
  }
});
