import { describe, expect, test } from 'bun:test';
import { manualClock, systemClock } from './clock.ts';

describe('manualClock', () => {
  test('moves when told, and by sleeping', async () => {
    const clock = manualClock(1000);
    clock.advance(5);
    await clock.sleep(10);
    expect(clock.now()).toBe(1015);
  });

  test('does not sleep for who gave up', async () => {
    const clock = manualClock(1000);
    await expect(clock.sleep(10, AbortSignal.abort(new Error('gave up')))).rejects.toThrow('gave up');
    expect(clock.now()).toBe(1000);
  });
});

describe('systemClock', () => {
  test('a sleep ends when its signal says so, before or while it lasts', async () => {
    const clock = systemClock();
    await expect(clock.sleep(3_600_000, AbortSignal.abort(new Error('before')))).rejects.toThrow('before');
    const abort = new AbortController();
    const sleeping = clock.sleep(3_600_000, abort.signal);
    abort.abort(new Error('while'));
    await expect(sleeping).rejects.toThrow('while');
  });

  test('a sleep ends by itself', async () => {
    const clock = systemClock();
    const startMs = clock.now();
    await clock.sleep(1, new AbortController().signal);
    expect(clock.now()).toBeGreaterThanOrEqual(startMs);
  });
});
