import { isRegistryError } from '#core/oci';
import { AppError } from '#core/std';

/** What the exit code says. Scripts rely on it; only ever add to it. */
export const ExitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  changesPending: 3,
  auth: 4,
  partly: 5,
  denied: 6,
  interrupted: 130,
} as const;

export const EXIT_CODES: readonly { readonly code: number; readonly meaning: string }[] = [
  { code: ExitCode.ok, meaning: 'ok' },
  { code: ExitCode.failed, meaning: 'failed' },
  { code: ExitCode.usage, meaning: 'wrong usage or configuration' },
  { code: ExitCode.changesPending, meaning: 'changes pending (plan)' },
  { code: ExitCode.auth, meaning: 'not signed in, or not allowed' },
  { code: ExitCode.partly, meaning: 'partly done' },
  { code: ExitCode.denied, meaning: 'denied by policy' },
  { code: ExitCode.interrupted, meaning: 'interrupted' },
];

/** Codes of errors that the person at the keyboard can mend in what was typed or configured. */
const USAGE = new Set([
  'USAGE',
  'CONFIG_INVALID',
  'CONFIG_NOT_FOUND',
  'CONFIG_UNREADABLE',
  'CERTIFICATES_UNREADABLE',
  'TLS_INVALID',
  'PATTERN_INVALID',
  'REQUEST_INVALID',
  'NAME_INVALID',
  'TAG_INVALID',
]);

/** Codes of errors about who we are and what we may. */
const AUTH = new Set(['UNAUTHORIZED', 'DENIED', 'CREDENTIALS_UNREADABLE', 'CREDENTIAL_HELPER_FAILED']);

export function isAuth(code: string | undefined): boolean {
  return code !== undefined && AUTH.has(code);
}

export function exitCodeOf(thrown: unknown): number {
  if (thrown instanceof Error && thrown.name === 'AbortError') return ExitCode.interrupted;
  if (isRegistryError(thrown) && thrown.origin === 'upstream' && USAGE.has(thrown.code)) return ExitCode.failed;
  if (!(thrown instanceof AppError)) return ExitCode.failed;
  if (isAuth(thrown.code)) return ExitCode.auth;
  return USAGE.has(thrown.code) ? ExitCode.usage : ExitCode.failed;
}
