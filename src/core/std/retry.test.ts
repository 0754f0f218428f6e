import { describe, expect, test } from 'bun:test';
import { manualClock } from './clock.ts';
import { backoffMs, parseRetryAfter, type RetryOptions, retry } from './retry.ts';

const policy = { attempts: 4, baseMs: 100, maxMs: 300 };

function recorded(overrides: Partial<RetryOptions> = {}) {
  const waits: number[] = [];
  const clock = manualClock();
  const options: RetryOptions = {
    policy,
    clock: {
      ...clock,
      sleep: (delayMs, signal) => {
        waits.push(delayMs);
        return clock.sleep(delayMs, signal);
      },
    },
    random: () => 0.5,
    judge: () => ({}),
    ...overrides,
  };
  return { waits, options };
}

describe('retry', () => {
  test('doubles the wait up to the cap and throws the last failure', async () => {
    const { waits, options } = recorded();
    const failing = retry(async (attempt) => Promise.reject(new Error(`attempt ${attempt}`)), options);
    await expect(failing).rejects.toThrow('attempt 4');
    expect(waits).toEqual([100, 200, 300]);
  });

  test('stops when the judge gives up', async () => {
    const { waits, options } = recorded({ judge: () => undefined });
    await expect(retry(async () => Promise.reject(new Error('no')), options)).rejects.toThrow('no');
    expect(waits).toEqual([]);
  });

  test('waits as long as the failure says', async () => {
    const { waits, options } = recorded({ judge: () => ({ waitMs: 7 }) });
    const answer = await retry(async (attempt) => (attempt < 3 ? Promise.reject(new Error('x')) : attempt), options);
    expect(answer).toBe(3);
    expect(waits).toEqual([7, 7]);
  });

  test('does not try again once aborted', async () => {
    const controller = new AbortController();
    const { options } = recorded({ signal: controller.signal });
    let attempts = 0;
    const failing = retry(async () => {
      attempts++;
      controller.abort();
      throw new Error('broken');
    }, options);
    await expect(failing).rejects.toThrow('broken');
    expect(attempts).toBe(1);
  });

  test('jitter spreads from half to one and a half', () => {
    expect(backoffMs(1, policy, () => 0)).toBe(50);
    expect(backoffMs(1, policy, () => 0.999)).toBe(150);
  });
});

describe('parseRetryAfter', () => {
  const nowMs = Date.UTC(2026, 0, 1);
  const cases: { name: string; header: string | null; expected: number | undefined }[] = [
    { name: 'absent', header: null, expected: undefined },
    { name: 'seconds', header: '120', expected: 120_000 },
    { name: 'date', header: 'Thu, 01 Jan 2026 00:00:30 GMT', expected: 30_000 },
    { name: 'date gone by', header: 'Wed, 31 Dec 2025 23:00:00 GMT', expected: 0 },
    { name: 'negative', header: '-5', expected: undefined },
    { name: 'words', header: 'soon', expected: undefined },
    { name: 'a number beyond reason', header: '99999999999', expected: undefined },
  ];
  for (const { name, header, expected } of cases) {
    test(name, () => expect(parseRetryAfter(header, nowMs)).toBe(expected));
  }
});
