import { Database as Sqlite, type Statement } from 'bun:sqlite';
import { SqlError, toSqlError } from './error.ts';
import type { Params, Row, Tx } from './types.ts';

/** One SQLite connection: blocking inside, so it lives on the thread that may block. */
export type Connection = Tx & {
  exec(text: string): void;
  /** False after SQLite gave up a transaction by itself (disk full, I/O error). */
  readonly inTransaction: boolean;
  close(): void;
};

/** Prepared statements kept for one connection: the program has some hundred texts, not more. */
const MAX_STATEMENTS = 512;
/** Milliseconds to wait for a checkpoint of another connection; the lock on the folder keeps other writers out. */
const BUSY_TIMEOUT_MS = 5_000;

export function openConnection(path: string, mode: 'writer' | 'reader'): Connection {
  const sqlite = openFile(path, mode);
  const statements = new Map<string, Statement>();
  const prepare = (text: string) => {
    const known = statements.get(text);
    if (known) return known;
    if (statements.size >= MAX_STATEMENTS) forget(statements);
    const statement = sqlite.prepare(text);
    statements.set(text, statement);
    return statement;
  };
  return {
    read: async <R extends Row>(text: string, params: Params = []) =>
      guard(() => prepare(text).all(...(params as never[])) as R[]),
    run: async (text, params = []) => guard(() => prepare(text).run(...(params as never[])).changes),
    exec: (text) => guard(() => sqlite.run(text)),
    get inTransaction() {
      return sqlite.inTransaction;
    },
    close() {
      forget(statements);
      sqlite.close();
    },
  };
}

function openFile(path: string, mode: 'writer' | 'reader'): Sqlite {
  try {
    const sqlite = new Sqlite(path, { create: mode === 'writer', readwrite: true, strict: true });
    sqlite.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    sqlite.run('PRAGMA foreign_keys = ON');
    if (mode === 'reader') sqlite.run('PRAGMA query_only = ON');
    else makeDurable(sqlite, path);
    return sqlite;
  } catch (cause) {
    if (cause instanceof SqlError) throw cause;
    throw new SqlError('SQL_FAILED', `cannot open the database ${path}`, { why: toSqlError(cause).why, cause });
  }
}

/** An acknowledged commit is on disk: WAL with an fsync a commit, set and then asked for, since SQLite ignores what it cannot do. */
function makeDurable(sqlite: Sqlite, path: string): void {
  sqlite.run('PRAGMA journal_mode = WAL');
  sqlite.run('PRAGMA synchronous = FULL');
  const journal = sqlite.query<{ journal_mode: string }, []>('PRAGMA journal_mode').get()?.journal_mode;
  const synchronous = sqlite.query<{ synchronous: number }, []>('PRAGMA synchronous').get()?.synchronous;
  if (journal === 'wal' && synchronous === 2) return;
  sqlite.close();
  throw new SqlError('SQL_FAILED', `the database ${path} does not keep commits safe`, {
    why: `journal_mode is ${journal}, synchronous is ${synchronous}`,
    hint: 'keep it on a local disk that allows shared memory files',
  });
}

function guard<T>(action: () => T): T {
  try {
    return action();
  } catch (thrown) {
    throw toSqlError(thrown);
  }
}

function forget(statements: Map<string, Statement>): void {
  for (const statement of statements.values()) statement.finalize();
  statements.clear();
}
