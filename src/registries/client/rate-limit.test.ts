import { describe, expect, test } from 'bun:test';
import { parseRateLimit, type RateLimit } from './rate-limit.ts';

const NOW = Date.UTC(2026, 0, 1);

describe('rate limits in headers', () => {
  const cases: { name: string; headers: Record<string, string>; expected: Omit<RateLimit, 'seenAtMs'> | undefined }[] =
    [
      { name: 'none', headers: { 'content-type': 'text/plain' }, expected: undefined },
      {
        name: 'Docker Hub',
        headers: {
          'ratelimit-limit': '100;w=21600',
          'ratelimit-remaining': '87;w=21600',
          'docker-ratelimit-source': '192.0.2.1',
        },
        expected: { limit: 100, remaining: 87, windowSeconds: 21_600, source: '192.0.2.1' },
      },
      {
        name: 'GitHub, with a reset since the epoch',
        headers: {
          'x-ratelimit-limit': '5000',
          'x-ratelimit-remaining': '4999',
          'x-ratelimit-reset': String(NOW / 1000 + 600),
        },
        expected: { limit: 5000, remaining: 4999, resetSeconds: 600 },
      },
      {
        name: 'the draft, a header each, with its policies',
        headers: {
          'ratelimit-limit': '100, 100;w=60, 5000;w=3600',
          'ratelimit-remaining': '5',
          'ratelimit-reset': '30',
        },
        expected: { limit: 100, remaining: 5, windowSeconds: 60, resetSeconds: 30 },
      },
      {
        name: 'the draft, in one header',
        headers: { ratelimit: 'limit=100, remaining=50, reset=5', 'ratelimit-policy': '100;w=60' },
        expected: { limit: 100, remaining: 50, windowSeconds: 60, resetSeconds: 5 },
      },
      {
        name: 'the draft, with names',
        headers: { ratelimit: '"default";r=50;t=30', 'ratelimit-policy': '"default";q=100;w=60' },
        expected: { limit: 100, remaining: 50, windowSeconds: 60, resetSeconds: 30 },
      },
      { name: 'nonsense', headers: { 'ratelimit-limit': 'much', ratelimit: '='.repeat(9999) }, expected: {} },
    ];
  for (const { name, headers, expected } of cases) {
    test(name, () => {
      const limit = parseRateLimit(new Headers(headers), NOW);
      expect(limit).toEqual(expected && { ...expected, seenAtMs: NOW });
    });
  }
});
