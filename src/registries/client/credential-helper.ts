import { AppError, messageOf } from '#core/std';
import type { Credential } from './credential.ts';

export type SpawnResult = { readonly exitCode: number; readonly stdout: string };

/** Runs a program with text on its standard input. It ends the program at `timeoutMs` or beyond `maxOutputBytes`, and rejects then. */
export type Spawn = (
  command: readonly string[],
  options: { readonly stdin: string; readonly timeoutMs: number; readonly maxOutputBytes: number },
) => Promise<SpawnResult>;

/** A helper may ask a cloud for a token, or a person for a fingerprint; longer means that it hangs. */
const HELPER_TIMEOUT_MS = 30_000;
/** A helper answers one JSON object; tokens have some kilobytes. */
const HELPER_OUTPUT_BYTES = 256 * 1024;
/** The protocol's word for "nothing stored", on standard output with a failing exit code. */
const NOT_FOUND = 'credentials not found in native keychain';

/**
 * Asks `docker-credential-<helper> get` for a server. Undefined when it has nothing. Throws CREDENTIAL_HELPER_FAILED.
 * Source: docker/docker-credential-helpers README, "Development".
 */
export async function helperCredential(helper: string, server: string, spawn: Spawn): Promise<Credential | undefined> {
  const program = `docker-credential-${helper}`;
  if (!/^[A-Za-z0-9._-]{1,100}$/.test(helper)) throw failed(program, 'its name is not one of a program');
  const result = await spawn([program, 'get'], {
    stdin: server,
    timeoutMs: HELPER_TIMEOUT_MS,
    maxOutputBytes: HELPER_OUTPUT_BYTES,
  }).catch((cause) => {
    throw failed(program, messageOf(cause), cause);
  });
  const output = result.stdout.trim();
  if (result.exitCode !== 0) {
    if (output.toLowerCase().includes(NOT_FOUND)) return undefined;
    throw failed(program, `exit code ${result.exitCode}: ${output.slice(0, 300)}`);
  }
  return parseAnswer(program, output);
}

function parseAnswer(program: string, output: string): Credential | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(output);
  } catch {
    // Its output may hold the secret: not quoted.
    throw failed(program, 'its answer is not JSON');
  }
  if (typeof answer !== 'object' || answer === null) throw failed(program, 'its answer is not a JSON object');
  const { Username: username, Secret: secret } = answer as Readonly<Record<string, unknown>>;
  if (typeof username !== 'string' || typeof secret !== 'string') {
    throw failed(program, 'its answer lacks Username or Secret');
  }
  if (secret === '') return undefined;
  if (username === '<token>') return { kind: 'identity', token: secret, source: program };
  return { kind: 'basic', username, password: secret, source: program };
}

function failed(program: string, why: string, cause?: unknown): AppError {
  return new AppError('CREDENTIAL_HELPER_FAILED', `the credential helper ${program} gave no credentials`, {
    why,
    hint: `run "${program} get" by hand, or set credentials for the registry in entrepot.yaml`,
    cause,
  });
}
