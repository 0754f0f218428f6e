import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '#core/std';
import { defineCommand, openSqlite } from './mod.ts';

test('the example of the README', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'entrepot-sql-'));
  const path = join(folder, 'notes.db');
  const log = silentLog();

  const addNote = defineCommand('notes.add', async (tx, args: { text: string }) => {
    await tx.run('INSERT INTO notes (text) VALUES (?)', [args.text]);
  });
  const notes = { name: 'notes', migrations: ['CREATE TABLE notes (text TEXT NOT NULL)'], commands: [addNote] };

  const database = await openSqlite({ path, modules: [notes], writer: 'inline', log });
  await database.write(addNote, { text: 'written and on disk' });
  const rows = await database.read<{ text: string }>('SELECT text FROM notes');

  expect(rows).toEqual([{ text: 'written and on disk' }]);
  await database.close();
  rmSync(folder, { recursive: true, force: true });
});
