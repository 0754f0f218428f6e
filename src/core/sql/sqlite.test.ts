import { afterEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '#core/std';
import { sqlContract } from './contract.ts';
import { type Database, openSqlite, type SqliteOptions, tryLockFile } from './mod.ts';
import { addNote, notes, olderNotes } from './testing/notes.ts';
import { thrownBy } from './testing/thrown-by.ts';

const folders: string[] = [];
const databases: Database[] = [];
const newFolder = () => {
  const folder = mkdtempSync(join(tmpdir(), 'entrepot-sql-'));
  folders.push(folder);
  return folder;
};
const open = async (options: Partial<SqliteOptions> = {}) => {
  const path = join(newFolder(), 'test.db');
  const database = await openSqlite({ path, modules: [notes], writer: 'inline', log: silentLog(), ...options });
  databases.push(database);
  return database;
};
afterEach(async () => {
  for (const database of databases.splice(0)) await database.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const WRITERS = [
  { name: 'SQLite, writer on the calling thread', current: 'inline', older: 'inline' },
  {
    name: 'SQLite, writer on a thread of its own',
    current: new URL('./testing/writer.ts', import.meta.url),
    older: new URL('./testing/older-writer.ts', import.meta.url),
  },
] as const;
for (const writer of WRITERS) {
  sqlContract(writer.name, () => {
    const folder = mkdtempSync(join(tmpdir(), 'entrepot-sql-'));
    return {
      open: (release) =>
        openSqlite({
          path: join(folder, 'test.db'),
          modules: [release === 'current' ? notes : olderNotes],
          writer: writer[release],
          log: silentLog(),
        }),
      dispose: () => rmSync(folder, { recursive: true, force: true }),
    };
  });
}

describe('group commit', () => {
  test('what is written together shares one commit', async () => {
    const points: string[] = [];
    const database = await open({ writePoint: (name) => void points.push(name) });
    await Promise.all([1, 2, 3].map((id) => database.write(addNote, { id, text: 'n' })));
    await database.write(addNote, { id: 4, text: 'n' });
    expect(points).toEqual(['sql:commit:before', 'sql:commit:after', 'sql:commit:before', 'sql:commit:after']);
  });

  test('a commit that fails fails the whole batch and nothing of it stays', async () => {
    let broken = true;
    const database = await open({
      writePoint: (name) => {
        if (broken && name === 'sql:commit:before') throw Object.assign(new Error('disk'), { code: 'SQLITE_FULL' });
      },
    });
    const outcomes = await Promise.allSettled([1, 2].map((id) => database.write(addNote, { id, text: 'n' })));
    expect(outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason.code)).toEqual([
      'SQL_FULL',
      'SQL_FULL',
    ]);
    broken = false;
    expect(await database.write(addNote, { id: 1, text: 'n' })).toEqual({ notes: 1 });
  });
});

describe('the writer thread', () => {
  test('reads go on while a commit takes 200 ms', async () => {
    const database = await open({ writer: new URL('./testing/slow-writer.ts', import.meta.url) });
    let written = false;
    const write = database.write(addNote, { id: 1, text: 'slow' }).then(() => {
      written = true;
    });
    let readsBefore = 0;
    while (!written && readsBefore < 1_000_000) {
      await database.read('SELECT count(*) AS notes FROM notes');
      readsBefore++;
      if (readsBefore % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await write;
    // A read that waited for the commit would allow one or two.
    expect(readsBefore).toBeGreaterThan(50);
  });

  test('commands that arrive during a commit share the next one', async () => {
    const database = await open({ writer: new URL('./testing/slow-writer.ts', import.meta.url) });
    const first = database.write(addNote, { id: 1, text: 'n' });
    await Bun.sleep(20);
    const order: number[] = [];
    const rest = [2, 3, 4].map((id) => database.write(addNote, { id, text: 'n' }).then(() => order.push(id)));
    await first;
    expect(order).toEqual([]);
    await Promise.all(rest);
    expect(order).toEqual([2, 3, 4]);
  });

  test('a writer that dies fails what waits and what comes, and reads go on', async () => {
    const database = await open({ writer: new URL('./testing/dying-writer.ts', import.meta.url) });
    expect(await thrownBy(database.write(addNote, { id: 1, text: 'n' }))).toMatchObject({ code: 'SQL_WRITER_LOST' });
    await database.write(addNote, { id: 2, text: 'n' }).catch(() => {});
    expect(await thrownBy(database.write(addNote, { id: 3, text: 'n' }))).toMatchObject({ code: 'SQL_WRITER_LOST' });
    expect(database.isWritable).toBe(false);
    // The commit itself had happened: unacknowledged, and whole.
    expect(await database.read('SELECT id FROM notes')).toEqual([{ id: 1 }]);
  });
});

describe('a file lock', () => {
  test('is exclusive, and free again after release', () => {
    const path = join(newFolder(), 'lock');
    const lock = tryLockFile(path);
    expect(tryLockFile(path)).toBeUndefined();
    lock?.release();
    const again = tryLockFile(path);
    expect(again).toBeDefined();
    again?.release();
  });

  test('dies with its process, even on SIGKILL', async () => {
    const path = join(newFolder(), 'lock');
    const holder = Bun.spawn(
      [
        process.execPath,
        '-e',
        'const { tryLockFile } = await import(process.env.MODULE); globalThis.held = tryLockFile(process.env.LOCK); console.log(globalThis.held ? "held" : "busy"); setInterval(() => {}, 1000)',
      ],
      { env: { MODULE: new URL('./lock.ts', import.meta.url).pathname, LOCK: path }, stdout: 'pipe' },
    );
    const { value } = await holder.stdout.getReader().read();
    expect(new TextDecoder().decode(value).trim()).toBe('held');
    expect(tryLockFile(path)).toBeUndefined();
    holder.kill('SIGKILL');
    await holder.exited;
    const lock = tryLockFile(path);
    expect(lock).toBeDefined();
    lock?.release();
  });
});
