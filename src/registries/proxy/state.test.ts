import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf } from '#core/oci';
import { repo, tag } from '#core/registry/contract';
import { type Database, openSqlite } from '#core/sql';
import { manualClock, silentLog } from '#core/std';
import { memoryProxyState } from './memory-state.ts';
import { proxySql } from './sql-module.ts';
import { sqlProxyState } from './sql-state.ts';
import type { ProxyState } from './state.ts';
import type { KnownReference } from './types.ts';

const REDIS = repo('hub/library/redis');
const SEVEN = tag('7');
const KNOWN: KnownReference = {
  repository: REDIS,
  reference: SEVEN,
  digest: digestOf('seven'),
  checkedAtMs: 2000,
  changedAtMs: 1000,
  upstream: 'docker.io',
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  sizeBytes: 123,
};

type Fixture = {
  readonly state: ProxyState;
  /** The same as a new process finds it; for one that forgets: the same. */
  again(): Promise<ProxyState>;
};

/** What is asserted of every state. */
function stateSuite(name: string, make: () => Promise<Fixture>): void {
  describe(name, () => {
    test('what is saved is seen at once, and after a restart', async () => {
      const { state, again } = await make();
      expect([state.peek(REDIS, SEVEN), await state.find(REDIS, SEVEN)]).toEqual([undefined, undefined]);
      state.save(KNOWN);
      expect([state.peek(REDIS, SEVEN), await state.find(REDIS, SEVEN)]).toEqual([KNOWN, KNOWN]);
      const later = await again();
      expect(await later.find(REDIS, SEVEN)).toEqual(KNOWN);
      expect(later.peek(REDIS, SEVEN)).toEqual(KNOWN);
      await later.close();
    });

    test('the last word counts: an absence, a change, a forgetting', async () => {
      const { state, again } = await make();
      const { digest: _, mediaType: _type, sizeBytes: _size, ...absent } = KNOWN;
      state.save(KNOWN);
      state.save(absent);
      state.save({ ...KNOWN, reference: tag('8') });
      await state.flush();
      state.save({ ...KNOWN, reference: tag('8'), checkedAtMs: 3000 });
      state.save({ ...KNOWN, reference: tag('9') });
      await state.flush();
      state.forget(REDIS, tag('9'));
      expect(await state.find(REDIS, tag('9'))).toBeUndefined();
      const later = await again();
      expect(await later.find(REDIS, SEVEN)).toEqual(absent);
      expect((await later.find(REDIS, tag('8')))?.checkedAtMs).toBe(3000);
      expect(await later.find(REDIS, tag('9'))).toBeUndefined();
      expect(await later.find(repo('hub/other'), SEVEN)).toBeUndefined();
      await later.close();
    });

    test('lists', async () => {
      const { state, again } = await make();
      const kind = `referrers ${digestOf('x')}` as const;
      expect(await state.list(REDIS, 'tags')).toBeUndefined();
      state.saveList({ repository: REDIS, kind: 'tags', items: ['1'], checkedAtMs: 1 });
      state.saveList({ repository: REDIS, kind: 'tags', items: ['1', '2'], checkedAtMs: 2 });
      state.saveList({ repository: REDIS, kind, items: [], checkedAtMs: 3, isMissing: true });
      expect((await state.list<string>(REDIS, 'tags'))?.items).toEqual(['1', '2']);
      const later = await again();
      expect((await later.list<string>(REDIS, 'tags'))?.items).toEqual(['1', '2']);
      expect(await later.list(REDIS, kind)).toMatchObject({ items: [], isMissing: true });
      await later.close();
    });

    test('counters add up over restarts, and each namespace has its own', async () => {
      const { state, again } = await make();
      state.count('hub', { verdict: 'hit', bytesServed: 10, bytesSaved: 10 });
      state.count('hub', { verdict: 'miss', bytesServed: 5, upstreamBytes: 5, upstreamPulls: 1 });
      const { sinceMs } = await state.counters('hub');
      const later = await again();
      later.count('hub', { verdict: 'hit', bytesServed: 1 });
      expect(await later.counters('hub')).toEqual({
        namespace: 'hub',
        verdicts: { hit: 2, miss: 1 },
        bytesServed: 16,
        bytesSaved: 10,
        upstreamBytes: 5,
        upstreamPulls: 1,
        sinceMs,
      });
      expect((await later.counters('quay')).verdicts).toEqual({});
      await later.close();
    });
  });
}

stateSuite('memoryProxyState()', async () => {
  const state = memoryProxyState(manualClock());
  return { state, again: async () => state };
});

const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true });
});

async function openDatabase(path: string): Promise<Database> {
  return await openSqlite({ path, modules: [proxySql], writer: 'inline', log: silentLog() });
}

async function sqlFixture() {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-proxy-'));
  folders.push(folder);
  const path = join(folder, 'state.sqlite');
  let database = await openDatabase(path);
  const state = sqlProxyState(database, manualClock());
  return {
    state,
    database: () => database,
    async again() {
      await state.close();
      await database.close();
      database = await openDatabase(path);
      const later = sqlProxyState(database, manualClock());
      const { close } = later;
      return { ...later, close: () => close().then(() => database.close()) };
    },
  };
}

stateSuite('sqlProxyState()', sqlFixture);

describe('sqlProxyState()', () => {
  test('a write that fails loses nothing: it goes with the next', async () => {
    const { state, database, again } = await sqlFixture();
    const broken = database();
    const { write } = broken;
    broken.write = async () => {
      throw new Error('the disk is full');
    };
    state.save(KNOWN);
    state.count('hub', { verdict: 'hit' });
    await expect(state.flush()).rejects.toThrow('the disk is full');
    expect(state.peek(REDIS, SEVEN)).toEqual(KNOWN);
    broken.write = write;
    state.count('hub', { verdict: 'hit' });
    const later = await again();
    expect(await later.find(REDIS, SEVEN)).toEqual(KNOWN);
    expect((await later.counters('hub')).verdicts).toEqual({ hit: 2 });
    await later.close();
  });

  test('names that were made up are forgotten, the oldest first, and what is there is not', async () => {
    const { database } = await sqlFixture();
    const clock = manualClock();
    const bounds = { absences: 10, emptyLists: 5, lookAfter: 20 };
    const state = sqlProxyState(database(), clock, { bounds });
    const { digest: _, ...absent } = KNOWN;
    state.save(KNOWN);
    state.saveList({ repository: REDIS, kind: 'tags', items: ['7'], checkedAtMs: clock.now() });
    for (let nth = 0; nth < 200; nth++) {
      clock.advance(1);
      const checkedAtMs = clock.now();
      state.save({ ...absent, reference: tag(`none-${nth}`), checkedAtMs });
      state.saveList({ repository: REDIS, kind: `referrers ${digestOf(`none ${nth}`)}`, items: [], checkedAtMs });
      const repository = repo(`hub/none/${nth}`);
      state.saveList({ repository, kind: 'tags', items: [], checkedAtMs, isMissing: true });
      if (nth % 10 === 9) await state.flush();
    }
    await state.close();
    const rowsOf = async (table: string) =>
      (await database().read<{ count: number }>(`SELECT count(*) AS count FROM ${table}`))[0]?.count;
    expect(await rowsOf('proxy_reference')).toBeLessThanOrEqual(1 + bounds.absences + 2 * bounds.lookAfter);
    expect(await rowsOf('proxy_list')).toBeLessThanOrEqual(1 + bounds.emptyLists + 2 * bounds.lookAfter);
    const later = sqlProxyState(database(), clock);
    expect(await later.find(REDIS, SEVEN)).toEqual(KNOWN);
    expect((await later.list<string>(REDIS, 'tags'))?.items).toEqual(['7']);
    expect(await later.find(REDIS, tag('none-199'))).toMatchObject({ reference: 'none-199' });
    expect(await later.find(REDIS, tag('none-0'))).toBeUndefined();
    await later.close();
    await database().close();
  });

  test('while nothing can be written, what nobody believes for long is not kept without end', async () => {
    const { database } = await sqlFixture();
    const state = sqlProxyState(database(), manualClock(), { bounds: { unsaved: 100 } });
    const { write } = database();
    database().write = async () => {
      throw new Error('the disk is full');
    };
    const { digest: _, ...absent } = KNOWN;
    state.save(KNOWN);
    for (let nth = 0; nth < 1000; nth++) {
      state.save({ ...absent, reference: tag(`none-${nth}`) });
      if (nth % 50 === 0) await state.flush().catch(() => {});
    }
    await state.flush().catch(() => {});
    database().write = write;
    await state.close();
    const rows = await database().read<{ reference: string }>('SELECT reference FROM proxy_reference');
    expect(rows.length).toBeLessThanOrEqual(100);
    expect(rows).toContainEqual({ reference: '7' });
    await database().close();
  });

  test('what a digest was told to be, which is here for ever or not, is not written down', async () => {
    const { database } = await sqlFixture();
    const state = sqlProxyState(database(), manualClock());
    const known = { ...KNOWN, reference: digestOf('seven') };
    const { digest: _, ...absent } = known;
    state.save(absent);
    await state.flush();
    state.save(known);
    expect(await state.find(REDIS, known.reference)).toEqual(known);
    await state.close();
    expect(await database().read('SELECT reference FROM proxy_reference')).toEqual([]);
    await database().close();
  });

  test('absences that nobody will believe any more are dropped', async () => {
    const { database } = await sqlFixture();
    const clock = manualClock();
    const state = sqlProxyState(database(), clock);
    const { digest: _, ...absent } = KNOWN;
    state.save({ ...absent, checkedAtMs: clock.now() });
    state.save({ ...KNOWN, reference: tag('8'), checkedAtMs: clock.now() });
    await state.flush();
    clock.advance(2 * 86_400_000);
    state.count('hub', { verdict: 'hit' });
    await state.close();
    const rows = await database().read('SELECT reference FROM proxy_reference');
    expect(rows).toEqual([{ reference: '8' }]);
    await database().close();
  });
});
