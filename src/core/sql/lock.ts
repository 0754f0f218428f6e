import { Database as Sqlite } from 'bun:sqlite';
import { systemCodeOf } from '#core/std';

/** A lock that the operating system drops when its process ends, however it ends. */
export type FileLock = { release(): void };

/**
 * Takes a file for this process alone, or answers undefined when another holder has it.
 * The file is an empty SQLite database under BEGIN EXCLUSIVE: POSIX locks of the process, kept by SQLite.
 */
export function tryLockFile(path: string): FileLock | undefined {
  const sqlite = new Sqlite(path, { create: true, readwrite: true });
  try {
    sqlite.run('PRAGMA busy_timeout = 0');
    sqlite.run('PRAGMA journal_mode = MEMORY');
    sqlite.run('BEGIN EXCLUSIVE');
  } catch (thrown) {
    sqlite.close();
    if (systemCodeOf(thrown)?.startsWith('SQLITE_BUSY')) return undefined;
    throw thrown;
  }
  let held = true;
  return {
    release() {
      if (!held) return;
      held = false;
      sqlite.run('ROLLBACK');
      sqlite.close();
    },
  };
}
