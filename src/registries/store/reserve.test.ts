import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqlError } from '#core/sql';
import type { StoreContext } from './context.ts';
import { diskFs } from './disk-fs.ts';
import { layoutOf } from './layout.ts';
import { keepReserve, withReserve } from './reserve.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'entrepot-reserve-'));
});
afterEach(() => rm(folder, { recursive: true }));

const contextOf = () => ({ fs: diskFs(), layout: layoutOf(folder) }) as unknown as StoreContext;
const reserveBytes = () =>
  stat(join(folder, 'reserve')).then(
    ({ size }) => size,
    () => undefined,
  );

test('gc on a full disk is given the reserve, and makes it anew', async () => {
  const context = contextOf();
  await keepReserve(context);
  expect(await reserveBytes()).toBe(256 * 1024);
  const seen: (number | undefined)[] = [];
  const ended = await withReserve(context, async () => {
    seen.push(await reserveBytes());
    if (seen.length === 1) throw new SqlError('SQL_FULL', 'the disk is full');
    return 'done';
  });
  expect(ended).toBe('done');
  expect(seen).toEqual([256 * 1024, undefined]);
  expect(await reserveBytes()).toBe(256 * 1024);
});

test('another failure of gc leaves it, and so does a second one for room', async () => {
  const context = contextOf();
  await keepReserve(context);
  const failing = (thrown: Error) =>
    withReserve(context, () => Promise.reject(thrown)).catch((error: unknown) => error);
  const broken = new Error('broken');
  expect(await failing(broken)).toBe(broken);
  expect(await reserveBytes()).toBe(256 * 1024);
  const full = new SqlError('SQL_FULL', 'the disk is full');
  expect(await failing(full)).toBe(full);
});
