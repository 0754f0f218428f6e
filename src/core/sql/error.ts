import { AppError, messageOf, systemCodeOf } from '#core/std';

/** `SQL_FULL`: no room left; `SQL_BUSY`: somebody else writes; `SQL_CONSTRAINT`: a rule of a table; `SQL_WRITER_LOST`: the writer died. */
export type SqlCode = 'SQL_FULL' | 'SQL_BUSY' | 'SQL_CONSTRAINT' | 'SQL_FAILED' | 'SQL_WRITER_LOST' | 'SQL_CLOSED';

/**
 * What a database or a command throws. `code` is a SqlCode, or the command's own word;
 * `detail` is plain data that goes with it. Both survive the way from the writer's thread.
 */
export class SqlError extends AppError {
  readonly detail: unknown;

  constructor(code: string, message: string, options: SqlErrorOptions = {}) {
    super(code, message, options);
    this.name = 'SqlError';
    this.detail = options.detail;
  }
}
export type SqlErrorOptions = {
  readonly detail?: unknown;
  readonly why?: string | undefined;
  readonly hint?: string | undefined;
  readonly cause?: unknown;
};

export function isSqlError(thrown: unknown, ...codes: string[]): thrown is SqlError {
  return thrown instanceof SqlError && (codes.length === 0 || codes.includes(thrown.code));
}

/** An error as plain data, for the way between threads. */
export type ErrorData = {
  readonly code: string;
  readonly message: string;
  readonly why?: string;
  readonly hint?: string;
  readonly detail?: unknown;
};

export function errorToData(thrown: unknown): ErrorData {
  const error = toSqlError(thrown);
  return {
    code: error.code,
    message: error.message,
    ...(error.why === undefined ? {} : { why: error.why }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.detail === undefined ? {} : { detail: error.detail }),
  };
}

export function errorFromData(data: ErrorData): SqlError {
  return new SqlError(data.code, data.message, { detail: data.detail, why: data.why, hint: data.hint });
}

/** Anything thrown as a SqlError; SQLite's result codes become ours. */
export function toSqlError(thrown: unknown): SqlError {
  if (thrown instanceof SqlError) return thrown;
  if (thrown instanceof AppError) {
    return new SqlError(thrown.code, thrown.message, { why: thrown.why, hint: thrown.hint, cause: thrown });
  }
  const code = systemCodeOf(thrown) ?? '';
  const why = messageOf(thrown);
  if (code.startsWith('SQLITE_FULL') || code === 'ENOSPC') {
    return new SqlError('SQL_FULL', 'the database has no room left on its disk', {
      why,
      hint: 'free some space on the disk that holds the database',
      cause: thrown,
    });
  }
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    return new SqlError('SQL_BUSY', 'the database is in use by another process', { why, cause: thrown });
  }
  if (code.startsWith('SQLITE_CONSTRAINT')) {
    return new SqlError('SQL_CONSTRAINT', 'the database refused a row', { why, cause: thrown });
  }
  return new SqlError('SQL_FAILED', 'the database failed', { why, cause: thrown });
}
