import { expect, test } from 'bun:test';
import { createSingleFlight } from './single-flight.ts';

test('callers of one key share one outcome; the next caller starts anew', async () => {
  const flight = createSingleFlight<number>();
  let runs = 0;
  const task = async () => {
    runs += 1;
    await Bun.sleep(0);
    return runs;
  };
  expect(await Promise.all([flight.run('a', task), flight.run('a', task), flight.run('b', task)])).toEqual([2, 2, 2]);
  expect(runs).toBe(2);
  expect(await flight.run('a', task)).toBe(3);
});

test('a failure is shared too, and not kept', async () => {
  const flight = createSingleFlight<number>();
  const failing = () => Promise.reject(new Error('no'));
  const outcomes = await Promise.allSettled([flight.run('a', failing), flight.run('a', failing)]);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await flight.run('a', async () => 1)).toBe(1);
});
