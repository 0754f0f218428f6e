import { describe, expect, test } from 'bun:test';
import { manualClock } from '#core/std';
import { memoryUpstreams } from './memory.ts';
import { createPace } from './pace.ts';
import { benchOf, CALL, failureOf, HOST, REPOSITORY, TAG, upstreamError } from './upstream.fake.ts';

const HOUR = 3_600_000;

describe('a clock that is set back', () => {
  test('does not leave a breaker open for as long', async () => {
    const bench = await benchOf();
    bench.client.before = () => upstreamError('UPSTREAM_UNAVAILABLE');
    const head = () => bench.upstream.reader.resolveManifest(REPOSITORY, TAG, CALL);
    for (let times = 0; times < 3; times++) await failureOf(head());
    expect(bench.upstream.state().breaker.state).toBe('open');
    bench.client.before = () => undefined;
    bench.clock.advance(-24 * HOUR);
    await head();
    expect(bench.upstream.state().breaker.state).toBe('closed');
  });

  test('nor one that another process left', async () => {
    const memory = memoryUpstreams();
    const nowMs = manualClock().now();
    const breaker = { state: 'open', failures: 3, sinceMs: nowMs, probeAtMs: nowMs + 24 * HOUR } as const;
    memory.save(HOST, { breaker, quotas: [] });
    const bench = await benchOf({ memory });
    await bench.upstream.reader.resolveManifest(REPOSITORY, TAG, CALL);
    expect(bench.upstream.state().breaker.state).toBe('closed');
  });

  test('does not keep an account blocked, nor a count in force', async () => {
    const bench = await benchOf({ reserve: { pulls: 10 } });
    const get = () => bench.upstream.reader.getManifest(REPOSITORY, TAG, CALL);
    bench.client.before = () => upstreamError('TOOMANYREQUESTS', { retryAfterMs: HOUR });
    await failureOf(get());
    bench.client.before = () => undefined;
    expect((await failureOf(get())).code).toBe('TOOMANYREQUESTS');
    bench.clock.advance(-24 * HOUR);
    bench.client.limit = { limit: 100, remaining: 5, windowSeconds: 3600 };
    await get();
    expect((await failureOf(get())).code).toBe('TOOMANYREQUESTS');
    bench.clock.advance(-24 * HOUR);
    await get();
  });

  test('does not hold up bytes', async () => {
    const clock = manualClock();
    const pace = createPace(1000, clock);
    await pace.pass(1000, undefined);
    clock.advance(-24 * HOUR);
    const fromMs = clock.now();
    await pace.pass(1000, undefined);
    expect(clock.now() - fromMs).toBeLessThanOrEqual(2000);
  });
});

test('how many accounts there are is told, also of those that nobody has used yet', async () => {
  const bench = await benchOf({ names: ['joe', 'ann'] });
  expect(bench.upstream.state()).toMatchObject({ accounts: 2, quotas: [] });
});
