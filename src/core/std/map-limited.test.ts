import { expect, test } from 'bun:test';
import { mapLimited } from './limiter.ts';

const tick = () => Bun.sleep(0);

test('answers in order, and runs no more than the limit at once', async () => {
  let running = 0;
  let most = 0;
  const doubled = await mapLimited([5, 4, 3, 2, 1], 2, async (item) => {
    running += 1;
    most = Math.max(most, running);
    for (let n = 0; n < item; n++) await tick();
    running -= 1;
    return item * 2;
  });
  expect(doubled).toEqual([10, 8, 6, 4, 2]);
  expect(most).toBe(2);
});

test('after a failure begins nothing more, and throws once all has ended', async () => {
  const begun: number[] = [];
  const ended: number[] = [];
  const work = mapLimited([0, 1, 2, 3], 2, async (item) => {
    begun.push(item);
    await tick();
    if (item === 0) throw new Error('no');
    await tick();
    await tick();
    ended.push(item);
  });
  await expect(work).rejects.toThrow('no');
  expect(begun).toEqual([0, 1]);
  expect(ended).toEqual([1]);
});

test('of nothing is nothing', async () => {
  expect(await mapLimited([], 3, async () => 1)).toEqual([]);
});
