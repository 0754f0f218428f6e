import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { isSqlError } from './error.ts';
import { addNote, keepBytes, refuseNote } from './testing/notes.ts';
import { thrownBy } from './testing/thrown-by.ts';
import type { Database } from './types.ts';

/** A place where the `notes` module of the suite can be opened, closed and opened again. */
export type SqlSubject = {
  open(release: 'current' | 'older'): Promise<Database>;
  dispose(): void | Promise<void>;
};

/** What every dialect and every writer must do. */
export function sqlContract(name: string, make: () => SqlSubject | Promise<SqlSubject>): void {
  describe(`sql contract: ${name}`, () => {
    let subject: SqlSubject;
    let database: Database;
    const reopen = async (release: 'current' | 'older' = 'current') => {
      await database.close();
      database = await subject.open(release);
    };
    beforeEach(async () => {
      subject = await make();
      database = await subject.open('current');
    });
    afterEach(async () => {
      await database.close();
      await subject.dispose();
    });
    commandTests(() => database);
    lifeTests(() => database, reopen);
  });
}

const idsOf = async (database: Database) =>
  (await database.read<{ id: number }>('SELECT id FROM notes ORDER BY id')).map((row) => row.id);

function commandTests(database: () => Database): void {
  test('a command answers, and a read sees it', async () => {
    expect(await database().write(addNote, { id: 1, text: 'one' })).toEqual({ notes: 1 });
    expect(await database().read('SELECT id, text FROM notes WHERE id = ?', [1])).toEqual([{ id: 1, text: 'one' }]);
  });

  test('bytes come back as they went in', async () => {
    const bytes = new Uint8Array(70_000).map((_, index) => index % 251);
    expect(await database().write(keepBytes, { id: 1, bytes })).toBe(1);
    const [row] = await database().read<{ content: Uint8Array }>('SELECT content FROM notes');
    expect(row?.content).toEqual(bytes);
  });

  test('a command that throws is undone, its error arrives whole, and its neighbours stand', async () => {
    const outcomes = await Promise.allSettled([
      database().write(addNote, { id: 1, text: 'one' }),
      database().write(refuseNote, { id: 2 }),
      database().write(addNote, { id: 3, text: 'three' }),
    ]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await idsOf(database())).toEqual([1, 3]);
    const refused = outcomes[1].status === 'rejected' ? outcomes[1].reason : undefined;
    expect(refused).toMatchObject({
      code: 'NOTE_REFUSED',
      message: 'note 2 is refused',
      why: 'the test wants it',
      hint: 'write another',
      detail: { id: 2, bytes: new Uint8Array([1, 2]) },
    });
    expect(isSqlError(refused, 'NOTE_REFUSED')).toBe(true);
  });

  test('commands run in the order in which they were written', async () => {
    const counts = await Promise.all(
      Array.from({ length: 600 }, (_, index) => database().write(addNote, { id: 600 - index, text: 'n' })),
    );
    expect(counts.map((count) => count.notes)).toEqual(Array.from({ length: 600 }, (_, index) => index + 1));
  });

  test('a broken rule of a table is SQL_CONSTRAINT', async () => {
    await database().write(addNote, { id: 1, text: 'one' });
    expect(await thrownBy(database().write(addNote, { id: 1, text: 'again' }))).toMatchObject({
      code: 'SQL_CONSTRAINT',
    });
  });

  test('a query that makes no sense, or writes, is SQL_FAILED', async () => {
    expect(await thrownBy(database().read('SELECT nothing FROM nowhere'))).toMatchObject({ code: 'SQL_FAILED' });
    expect(await thrownBy(database().read("INSERT INTO notes (id, text) VALUES (9, 'x')"))).toMatchObject({
      code: 'SQL_FAILED',
    });
    expect(await idsOf(database())).toEqual([]);
  });

  test('a missing parameter is an error, not a null', async () => {
    expect(await thrownBy(database().read('SELECT id FROM notes WHERE id = ? OR text = ?', [1]))).toMatchObject({
      code: 'SQL_FAILED',
    });
  });
}

function lifeTests(database: () => Database, reopen: (release?: 'current' | 'older') => Promise<void>): void {
  test('what was written is there when the database is opened again', async () => {
    await database().write(addNote, { id: 1, text: 'one' });
    await reopen();
    expect(await idsOf(database())).toEqual([1]);
    expect(await database().read('SELECT module, number FROM migrations ORDER BY number')).toEqual([
      { module: 'notes', number: 1 },
      { module: 'notes', number: 2 },
    ]);
  });

  test('a database of an older release is brought up to date', async () => {
    await reopen();
    expect(await database().write(keepBytes, { id: 1, bytes: new Uint8Array(1) })).toBe(1);
  });

  test('a database of a newer release is refused', async () => {
    expect(await thrownBy(reopen('older'))).toMatchObject({ code: 'DATABASE_TOO_NEW' });
    await reopen();
  });

  test('closing finishes what was written, and twice is once', async () => {
    const written = database().write(addNote, { id: 1, text: 'one' });
    await Promise.all([database().close(), database().close()]);
    expect(await written).toEqual({ notes: 1 });
    expect(await thrownBy(database().write(addNote, { id: 2, text: 'two' }))).toMatchObject({ code: 'SQL_CLOSED' });
    await reopen();
    expect(await idsOf(database())).toEqual([1]);
  });
}
