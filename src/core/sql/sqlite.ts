import type { Log } from '#core/std';
import type { CommandCall, Outcome } from './batch.ts';
import { openBatchRunner } from './batch.ts';
import { openConnection } from './connection.ts';
import type { SqlError } from './error.ts';
import { createWriteQueue } from './queue.ts';
import type { Database, SqlModule, SqlWritePoint } from './types.ts';
import { startWriterThread } from './worker.ts';

export type SqliteOptions = {
  readonly path: string;
  readonly modules: readonly SqlModule[];
  /**
   * `inline`: commits block the calling thread (commands, tests). A URL: the entry file of a Worker that
   * calls `runWriter` with the same modules (servers). Write it as
   * `new URL('./file.ts', import.meta.url)` and name the file as an entry point when compiling.
   */
  readonly writer: 'inline' | URL;
  /** For the inline writer; a Worker's entry file gives its own to `runWriter`. */
  readonly writePoint?: SqlWritePoint;
  readonly log: Log;
};

type Writer = {
  run(calls: readonly CommandCall[]): Promise<Outcome[]>;
  close(): void | Promise<void>;
};

/** Opens (and creates, and migrates) a database file. Throws SqlError, DATABASE_TOO_NEW. */
export async function openSqlite(options: SqliteOptions): Promise<Database> {
  let isWritable = true;
  const writer = await openWriter(options, (error) => {
    isWritable = false;
    options.log.error('the database writer died', { why: error.why });
  });
  const reader = openConnection(options.path, 'reader');
  const queue = createWriteQueue(writer.run);
  let closing: Promise<void> | undefined;
  const close = async () => {
    await queue.close();
    reader.close();
    await writer.close();
  };
  return {
    read: reader.read,
    write: <Args, Result>(command: { readonly name: string }, args: Args) =>
      queue.write({ command: command.name, args }) as Promise<Result>,
    get isWritable() {
      return isWritable;
    },
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

async function openWriter(options: SqliteOptions, onLost: (error: SqlError) => void): Promise<Writer> {
  if (options.writer === 'inline') return openBatchRunner(options.path, options);
  const thread = startWriterThread(options.writer, onLost);
  try {
    await thread.open(options.path);
  } catch (thrown) {
    await thread.close();
    throw thrown;
  }
  return thread;
}
