import { afterEach, describe, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Database, openSqlite } from '#core/sql';
import { type LogFields, manualClock, silentLog, systemClock } from '#core/std';
import { memoryUpstreams } from './memory.ts';
import { sqlUpstreamMemory, upstreamCommands, upstreamMigrations } from './sql-memory.ts';
import type { RememberedUpstream, UpstreamMemory } from './types.ts';

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

async function databaseOf(folder?: string): Promise<{ database: Database; folder: string }> {
  const place = folder ?? (await mkdtemp(join(tmpdir(), 'entrepot-upstream-')));
  if (folder === undefined) folders.push(place);
  const module = { name: 'proxy', migrations: upstreamMigrations, commands: upstreamCommands };
  const path = join(place, 'test.db');
  return { folder: place, database: await openSqlite({ path, modules: [module], writer: 'inline', log: silentLog() }) };
}

const known = (remaining: number): RememberedUpstream => ({
  breaker: { state: 'open', failures: 3, sinceMs: 1, probeAtMs: 2, why: 'it is down' },
  quotas: [{ account: 'joe', limit: 100, remaining, resetAtMs: 9, blockedUntilMs: 8, seenAtMs: 1 }],
});

const memories: { name: string; make: () => Promise<UpstreamMemory> }[] = [
  { name: 'in memory', make: async () => memoryUpstreams() },
  {
    name: 'in a table',
    make: async () => sqlUpstreamMemory({ ...(await databaseOf()), clock: manualClock(), log: silentLog() }),
  },
];
for (const { name, make } of memories) {
  describe(`what is known of upstreams ${name}`, () => {
    test('is by host, and the last word counts', async () => {
      const memory = await make();
      memory.save('a.test', known(5));
      memory.save('b.test', known(6));
      memory.save('a.test', known(4));
      await memory.close();
      expect(await memory.load('a.test')).toEqual(known(4));
      expect(await memory.load('b.test')).toEqual(known(6));
      expect(await memory.load('c.test')).toBeUndefined();
    });
  });
}

describe('the table', () => {
  test('outlives the process', async () => {
    const { database, folder } = await databaseOf();
    const memory = sqlUpstreamMemory({ database, clock: systemClock(), log: silentLog() });
    memory.save('a.test', known(5));
    await memory.close();
    await database.close();
    const again = await databaseOf(folder);
    const revived = sqlUpstreamMemory({ database: again.database, clock: systemClock(), log: silentLog() });
    expect(await revived.load('a.test')).toEqual(known(5));
    await again.database.close();
  });

  test('is written in batches: the first word at once, the others together', async () => {
    const { database } = await databaseOf();
    let writes = 0;
    const counting: Database = {
      ...database,
      write: (command, args) => {
        writes++;
        return database.write(command, args);
      },
    };
    const memory = sqlUpstreamMemory({ database: counting, clock: systemClock(), log: silentLog() });
    for (let remaining = 100; remaining > 0; remaining--) memory.save('a.test', known(remaining));
    await memory.close();
    expect(writes).toBeLessThanOrEqual(2);
    expect(await memory.load('a.test')).toEqual(known(1));
    await database.close();
  });

  test('a disk that does not take it is told, and harms nobody', async () => {
    const { database } = await databaseOf();
    await database.close();
    const told: (LogFields | undefined)[] = [];
    const log = { ...silentLog(), warn: (_: string, fields?: LogFields) => void told.push(fields) };
    const memory = sqlUpstreamMemory({ database, clock: manualClock(), log });
    memory.save('a.test', known(5));
    await memory.close();
    expect(told).toHaveLength(1);
  });
});
