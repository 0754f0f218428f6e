export type { WriterOptions } from './batch.ts';
export { isSqlError, type SqlCode, SqlError, type SqlErrorOptions } from './error.ts';
export { type FileLock, tryLockFile } from './lock.ts';
export { openSqlite, type SqliteOptions } from './sqlite.ts';
export {
  type AnyCommand,
  type Command,
  type Database,
  defineCommand,
  type Migration,
  type Params,
  type Queries,
  type Row,
  type SqlModule,
  type SqlValue,
  type SqlWritePoint,
  type Tx,
} from './types.ts';
export { runWriter } from './worker.ts';
