import { readFile } from 'node:fs/promises';
import type { RepositoryName } from '#core/oci';
import { AppError, compileGlob, messageOf } from '#core/std';
import { type Credential, type CredentialSource, dockerConfigCredentials, type Spawn } from '#registries/client';
import type { CredentialConfig } from '#surface/config';
import type { Machine } from './machine.ts';

/** What docker and podman have stored on this machine. */
export function storedCredentials({ env }: Machine): CredentialSource {
  return dockerConfigCredentials({ readFile: readText, spawn: spawnWith(env), env });
}

/** Whether a repository is one of those that a credential is for. */
export function matcherOf(globs: readonly string[]): (repository: RepositoryName) => boolean {
  const matchers = globs.map((glob) => compileGlob(glob));
  return (repository) => matchers.some((matches) => matches(repository));
}

/** One entry of `registries.HOST.credentials`; `source` names it in errors. The secret is read at each use, so that a rotated file counts. */
export function configuredCredential(source: string, credential: CredentialConfig, machine: Machine): CredentialSource {
  const secret = (file: string | undefined, variable: string | undefined) =>
    readSecret(source, { file, variable }, machine);
  return async () => await readCredential(source, credential, secret);
}

type ReadSecret = (file: string | undefined, variable: string | undefined) => Promise<string | undefined>;

async function readCredential(source: string, credential: CredentialConfig, secret: ReadSecret): Promise<Credential> {
  const password = await secret(credential.passwordFile, credential.passwordEnv);
  if (password !== undefined) return { kind: 'basic', username: credential.username ?? '', password, source };
  const identity = await secret(credential.identityTokenFile, credential.identityTokenEnv);
  if (identity !== undefined) return { kind: 'identity', token: identity, source };
  const token = await secret(credential.registryTokenFile, credential.registryTokenEnv);
  if (token !== undefined) return { kind: 'bearer', token, source };
  throw new AppError('CONFIG_INVALID', `${source} has no secret`, { hint: 'entrepot config check' });
}

type SecretPlace = { readonly file: string | undefined; readonly variable: string | undefined };

async function readSecret(source: string, { file, variable }: SecretPlace, { env }: Machine) {
  if (file !== undefined) {
    const text = await readText(file).catch((cause) => {
      throw unreadable(source, file, messageOf(cause));
    });
    return text.replace(/\r?\n$/, '');
  }
  if (variable === undefined) return undefined;
  const value = env[variable];
  if (!value) throw unreadable(source, `the variable ${variable}`, 'it is not set');
  return value;
}

function unreadable(source: string, place: string, why: string): AppError {
  return new AppError('CREDENTIALS_UNREADABLE', `the secret of ${source} cannot be read from ${place}`, {
    why,
    hint: `provide it, or change ${source} in entrepot.yaml`,
  });
}

const readText = (path: string) => readFile(path, 'utf8');

/** Runs a credential helper, with the variables that this program was started with: a helper may need the proxy too. */
function spawnWith(env: Machine['env']): Spawn {
  return async (command, { stdin, timeoutMs, maxOutputBytes }) => {
    const child = Bun.spawn([...command], {
      env: { ...env },
      stdin: Buffer.from(stdin),
      stdout: 'pipe',
      stderr: 'ignore',
      timeout: timeoutMs,
      maxBuffer: maxOutputBytes,
    });
    const stdout = await new Response(child.stdout).text();
    return { exitCode: await child.exited, stdout };
  };
}
