import { describe, expect, test } from 'bun:test';
import { manualClock } from '#core/std';
import { createPace } from './pace.ts';
import { type ConnectionWish, createPool, type Pool, UPSTREAM_LIMITS } from './pool.ts';

const poolOf = (limits: Partial<typeof UPSTREAM_LIMITS>) =>
  createPool('registry.test', { ...UPSTREAM_LIMITS, ...limits });
const wish = (repository: string, more: Partial<ConnectionWish> = {}): ConnectionWish => ({
  kind: 'blob',
  principal: 'node',
  repository,
  signal: undefined,
  ...more,
});

/** Who goes in which order when each gives its connection to the next. */
async function orderOf(pool: Pool, wishes: readonly ConnectionWish[]): Promise<string[]> {
  const order: string[] = [];
  const all = wishes.map(async (one) => {
    const leave = await pool.enter(one);
    order.push(`${one.principal} ${one.repository}`);
    await Bun.sleep(0);
    leave();
  });
  await Promise.all(all);
  return order;
}

describe('connections', () => {
  test('repositories take turns, so that a big image does not keep a small one out', async () => {
    const wishes = [...Array(4).fill('big'), 'small'].map((name) => wish(name));
    expect(await orderOf(poolOf({ connections: 1 }), wishes)).toEqual([
      'node big',
      'node big',
      'node small',
      'node big',
      'node big',
    ]);
  });

  test('principals take turns before repositories do', async () => {
    const wishes = [
      ...['a', 'b', 'c'].map((name) => wish(name, { principal: 'greedy' })),
      ...['x', 'y'].map((name) => wish(name, { principal: 'other' })),
    ];
    expect(await orderOf(poolOf({ connections: 1 }), wishes)).toEqual([
      'greedy a',
      'greedy b',
      'other x',
      'greedy c',
      'other y',
    ]);
  });

  test('a flood of blobs leaves a quarter to manifests', async () => {
    const pool = poolOf({ connections: 8 });
    for (let index = 0; index < 20; index++) void pool.enter(wish(`image-${index}`));
    expect(pool).toMatchObject({ active: 6, waiting: 14 });
    await pool.enter(wish('image-0', { kind: 'short' }));
    await pool.enter(wish('image-1', { kind: 'short' }));
    expect(pool.active).toBe(8);
  });

  test('one repository leaves some to the next', async () => {
    const pool = poolOf({ connections: 8 });
    for (let index = 0; index < 20; index++) void pool.enter(wish('big'));
    expect(pool.active).toBe(5);
    await pool.enter(wish('small'));
    expect(pool.active).toBe(6);
  });

  test('many manifests do not keep blobs out', async () => {
    const pool = poolOf({ connections: 1 });
    const order = await orderOf(pool, [
      ...Array.from({ length: 4 }, () => wish('short', { kind: 'short' })),
      wish('long'),
    ]);
    expect(order.indexOf('node long')).toBeLessThan(3);
  });

  test('a queue that is full refuses, with when to come again', async () => {
    const pool = poolOf({ connections: 1, waiting: 1 });
    await pool.enter(wish('a'));
    void pool.enter(wish('b'));
    const refused = pool.enter(wish('c'));
    await expect(refused).rejects.toMatchObject({ code: 'TOOMANYREQUESTS', origin: 'local', retryAfterMs: 5000 });
    // Blobs fill their own queue alone.
    expect(pool.waiting).toBe(1);
    void pool.enter(wish('a', { kind: 'short' }));
    expect(pool.waiting).toBe(2);
  });

  test('nobody waits for ever', async () => {
    const pool = poolOf({ connections: 1, waitMs: 5 });
    await pool.enter(wish('a'));
    await expect(pool.enter(wish('b'))).rejects.toMatchObject({ code: 'TOOMANYREQUESTS' });
    expect(pool.waiting).toBe(0);
  });

  test('the signal ends the waiting', async () => {
    const pool = poolOf({ connections: 1 });
    const leave = await pool.enter(wish('a'));
    const controller = new AbortController();
    const waiting = pool.enter(wish('b', { signal: controller.signal }));
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    leave();
    expect(pool).toMatchObject({ active: 0, waiting: 0 });
  });

  test('a connection is given back once', async () => {
    const pool = poolOf({ connections: 2 });
    const leave = await pool.enter(wish('a', { kind: 'short' }));
    await pool.enter(wish('b', { kind: 'short' }));
    leave();
    leave();
    expect(pool.active).toBe(1);
  });

  test('closed, it refuses who waits and who comes', async () => {
    const pool = poolOf({ connections: 1 });
    await pool.enter(wish('a'));
    const waiting = pool.enter(wish('b'));
    pool.close();
    await expect(waiting).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(pool.enter(wish('c'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

describe('bandwidth', () => {
  /** A clock whose sleepers wake in the order of their times. */
  function simulation() {
    const sleepers: { atMs: number; wake: () => void }[] = [];
    let nowMs = 0;
    const clock = {
      now: () => nowMs,
      sleep: (delayMs: number) => new Promise<void>((wake) => sleepers.push({ atMs: nowMs + delayMs, wake })),
    };
    const run = async (untilMs: number) => {
      while (true) {
        await Bun.sleep(0);
        sleepers.sort((one, other) => one.atMs - other.atMs);
        const [next] = sleepers;
        if (!next || next.atMs > untilMs) return;
        sleepers.shift();
        nowMs = next.atMs;
        next.wake();
      }
    };
    return { clock, run };
  }

  test('streams share it equally, whatever the size of their pieces', async () => {
    const { clock, run } = simulation();
    const pace = createPace(1_000_000, clock);
    const passed = { small: 0, large: 0 };
    const stream = async (name: keyof typeof passed, pieceBytes: number) => {
      while (true) {
        await pace.pass(pieceBytes, undefined);
        passed[name] += pieceBytes;
      }
    };
    void stream('small', 65_536);
    void stream('large', 655_360);
    await run(20_000);
    expect(passed.small + passed.large).toBeGreaterThan(18_000_000);
    expect(passed.small + passed.large).toBeLessThan(20_500_000);
    expect(passed.small / passed.large).toBeWithin(0.85, 1.15);
  });

  test('what was not used is not saved up', async () => {
    const clock = manualClock(0);
    const pace = createPace(1000, clock);
    clock.advance(3_600_000);
    await pace.pass(2000, undefined);
    expect(clock.now()).toBeGreaterThanOrEqual(3_600_000 + 1700);
  });

  test('the signal ends the waiting', async () => {
    const pace = createPace(1000, manualClock(0));
    await pace.pass(1000, undefined);
    await expect(pace.pass(1000, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
  });
});
