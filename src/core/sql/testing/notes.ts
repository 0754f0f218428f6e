import { SqlError } from '../error.ts';
import { defineCommand, type SqlModule } from '../types.ts';

/** A small module of tables and commands, for the contract suite and for the README's example. */
export const addNote = defineCommand('notes.add', async (tx, args: { readonly id: number; readonly text: string }) => {
  await tx.run('INSERT INTO notes (id, text) VALUES (?, ?)', [args.id, args.text]);
  const rows = await tx.read<{ notes: number }>('SELECT count(*) AS notes FROM notes');
  return { notes: rows[0]?.notes ?? 0 };
});

/** Writes, then refuses: what it wrote must be gone. */
export const refuseNote = defineCommand('notes.refuse', async (tx, args: { readonly id: number }) => {
  await tx.run('INSERT INTO notes (id, text) VALUES (?, ?)', [args.id, 'refused']);
  throw new SqlError('NOTE_REFUSED', `note ${args.id} is refused`, {
    why: 'the test wants it',
    hint: 'write another',
    detail: { id: args.id, bytes: new Uint8Array([1, 2]) },
  });
});

export const keepBytes = defineCommand(
  'notes.bytes',
  async (tx, args: { readonly id: number; readonly bytes: Uint8Array }) =>
    tx.run('INSERT INTO notes (id, text, content) VALUES (?, ?, ?)', [args.id, 'bytes', args.bytes]),
);

export const notes: SqlModule = {
  name: 'notes',
  migrations: [
    'CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL); CREATE INDEX notes_text ON notes (text)',
    { sqlite: 'ALTER TABLE notes ADD COLUMN content BLOB', postgres: 'ALTER TABLE notes ADD COLUMN content BYTEA' },
  ],
  commands: [addNote, refuseNote, keepBytes],
};

/** The module as an earlier release had it. */
export const olderNotes: SqlModule = { ...notes, migrations: notes.migrations.slice(0, 1) };
