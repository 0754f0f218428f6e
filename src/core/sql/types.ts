/** What a parameter or a column holds. Whole numbers stay within 2^53; bytes are BLOB or BYTEA. */
export type SqlValue = string | number | Uint8Array | null;
export type Params = readonly SqlValue[];
export type Row = Readonly<Record<string, SqlValue>>;

/** Answers to queries; parameters are `?` in order, or `?1`, `?2` where one is used twice. Row types are the caller's word about its own query. */
export interface Queries {
  /** All rows of a query. Bound it with LIMIT: rows are held in memory. Throws SqlError. */
  read<R extends Row>(text: string, params?: Params): Promise<R[]>;
}

/** What a command works with, inside the one writer and inside a transaction. */
export interface Tx extends Queries {
  /** Runs one statement and says how many rows it changed. Throws SqlError. */
  run(text: string, params?: Params): Promise<number>;
}

/**
 * A named change. Its function runs in the writer, perhaps on another thread: arguments and result are
 * plain data (structured clone), and it touches nothing but `tx`. What it throws undoes this command alone.
 */
export type Command<Args, Result> = {
  /** Unique in the program: `module.verb`. */
  readonly name: string;
  readonly run: (tx: Tx, args: Args) => Promise<Result>;
};
export type AnyCommand = Command<never, unknown>;

export function defineCommand<Args, Result>(
  name: string,
  run: (tx: Tx, args: Args) => Promise<Result>,
): Command<Args, Result> {
  return { name, run };
}

/**
 * Statements divided by `;`, the same for every dialect or one text each (a dialect without its text refuses to open).
 * A published one is never edited.
 */
export type Migration = string | { readonly sqlite: string; readonly postgres?: string };

/** Tables and commands of one module of the program. */
export type SqlModule = {
  readonly name: string;
  /** Applied in order, each once; its number is its place, from 1. */
  readonly migrations: readonly Migration[];
  readonly commands: readonly AnyCommand[];
};

/**
 * Where a fault campaign may stop the world: `sql:commit:before` (nothing of the batch is durable yet)
 * and `sql:commit:after` (all of it is, nobody was told). Called in the writer's thread.
 */
export type SqlWritePoint = (name: 'sql:commit:before' | 'sql:commit:after') => void | Promise<void>;

/** One database with one writer. Reads never wait for a write. */
export interface Database extends Queries {
  /**
   * Runs a command and answers when its transaction is durable. Commands of one tick or of one
   * running commit share the next commit; they run in the order of `write`.
   * Throws what the command threw (as SqlError when it has no code of its own), or SqlError.
   */
  write<Args, Result>(command: Command<Args, Result>, args: Args): Promise<Result>;
  /** False once the writer has died: every write is refused until the process starts anew; reads go on. */
  readonly isWritable: boolean;
  /** Finishes what was written, then closes. */
  close(): Promise<void>;
}
