/**
 * The one error shape a person meets: what went wrong, why, and what to do about it.
 * `RegistryError` (core/oci) extends it with the wire code; everything else throws this.
 */
export class AppError extends Error {
  /** Stable upper-case word, the name of the page in docs/errors. */
  readonly code: string;
  /** The cause in the words of whoever said it (upstream, operating system, parser). */
  readonly why: string | undefined;
  /** A command or an edit that resolves it. */
  readonly hint: string | undefined;

  constructor(code: string, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.why = options.why;
    this.hint = options.hint;
  }
}

export type AppErrorOptions = {
  readonly why?: string | undefined;
  readonly hint?: string | undefined;
  readonly cause?: unknown;
};

/** The message of anything thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The operating system's word (`ENOSPC`, `ECONNREFUSED`) of a thrown value, if it carries one. */
export function systemCodeOf(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}
