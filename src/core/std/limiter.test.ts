import { describe, expect, test } from 'bun:test';
import { createLimiter } from './limiter.ts';

/** Tasks that end when told. */
function gates(count: number) {
  const all = Array.from({ length: count }, () => Promise.withResolvers<number>());
  const started: number[] = [];
  const task = (at: number) => () => {
    started.push(at);
    return all[at]?.promise ?? Promise.resolve(-1);
  };
  return {
    task,
    started,
    open: (at: number) => all[at]?.resolve(at),
    fail: (at: number) => all[at]?.reject(new Error(`task ${at}`)),
  };
}
const settle = () => Bun.sleep(0);

describe('createLimiter', () => {
  test('runs as many as it may, the others in order of arrival', async () => {
    const limiter = createLimiter(2);
    const { task, started, open } = gates(4);
    const results = [0, 1, 2, 3].map((at) => limiter.run(task(at)));
    await settle();
    expect(started).toEqual([0, 1]);
    open(1);
    await settle();
    expect(started).toEqual([0, 1, 2]);
    for (const at of [0, 2, 3]) open(at);
    expect(await Promise.all(results)).toEqual([0, 1, 2, 3]);
  });

  test('a task that fails gives its place to the next', async () => {
    const limiter = createLimiter(1);
    const { task, open, fail } = gates(2);
    const results = Promise.allSettled([limiter.run(task(0)), limiter.run(task(1))]);
    fail(0);
    open(1);
    expect((await results).map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
  });

  test('who gives up while waiting leaves the queue, and nobody loses a place', async () => {
    const limiter = createLimiter(1);
    const { task, started, open } = gates(3);
    const abort = new AbortController();
    const first = limiter.run(task(0));
    const second = limiter.run(task(1), abort.signal);
    const third = limiter.run(task(2));
    abort.abort(new Error('gave up'));
    await expect(second).rejects.toThrow('gave up');
    open(0);
    open(2);
    expect(await Promise.all([first, third])).toEqual([0, 2]);
    expect(started).toEqual([0, 2]);
    await expect(limiter.run(task(1), abort.signal)).rejects.toThrow('gave up');
    expect(await limiter.run(async () => 'free')).toBe('free');
  });
});
