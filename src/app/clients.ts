import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import type { Registry } from '#core/registry';
import { AppError, messageOf } from '#core/std';
import {
  type ClientOptions,
  type Credential,
  type CredentialSource,
  certificateBundle,
  createClient,
  dockerConfigCredentials,
  firstOf,
  type Spawn,
} from '#registries/client';
import { type Config, type CredentialConfig, isLoopback } from '#surface/config';
import type { Machine } from './machine.ts';

/** Registries elsewhere, by host: one client each for reading and for writing, made when first asked for. */
export type Clients = { get(host: string, role: 'source' | 'destination'): Promise<Registry> };

export function createClients(config: Config, machine: Machine): Clients {
  const made = new Map<string, Promise<Registry>>();
  return {
    get: (host, role) => {
      const key = `${role} ${host}`;
      const known = made.get(key);
      if (known) return known;
      const client = clientOptions(host, config, machine).then((options) =>
        createClient(role === 'destination' ? { ...options, pushes: () => true } : options),
      );
      made.set(key, client);
      return client;
    },
  };
}

const readText = (path: string) => readFile(path, 'utf8');

async function clientOptions(host: string, config: Config, machine: Machine): Promise<ClientOptions> {
  const entry = config.registries[host];
  const { env } = machine;
  const docker = dockerConfigCredentials({ readFile: readText, spawn, env });
  const own = entry?.credentials ? [configured(host, entry.credentials, machine)] : [];
  const proxyEnv = proxyFrom(env);
  return {
    host,
    fetch: (url, init) => machine.fetch(url, init),
    clock: machine.clock,
    random: Math.random,
    credentials: firstOf(...own, docker),
    lookup: async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
    userAgent: `entrepot/${machine.version}`,
    // As docker does: this machine's own registries speak plain HTTP unless they are configured otherwise.
    insecure: entry ? entry.insecure : isLoopback(hostnameOf(host)),
    proxy: entry?.proxyUrl === undefined ? { env: proxyEnv } : { url: entry.proxyUrl },
    ...(entry?.url === undefined ? {} : { url: entry.url }),
    ...(entry?.ca === undefined ? {} : { ca: await certificateBundle({ readFile: readText, files: [entry.ca] }) }),
  };
}

function hostnameOf(host: string): string {
  return host.startsWith('[') ? host.slice(1, host.indexOf(']')) : (host.split(':')[0] ?? host);
}

function proxyFrom(env: Machine['env']) {
  const https = env.HTTPS_PROXY ?? env.https_proxy;
  // Upper case is not read: under CGI it is a request header. Source: curl(1), "Environment".
  const http = env.http_proxy;
  const no = env.NO_PROXY ?? env.no_proxy;
  return {
    ...(https === undefined ? {} : { https }),
    ...(http === undefined ? {} : { http }),
    ...(no === undefined ? {} : { no }),
  };
}

/** Credentials of the configuration. The secret is read at each use, so that a rotated file counts. */
function configured(host: string, credential: CredentialConfig, machine: Machine): CredentialSource {
  return async (asked) => (asked === host ? await readCredential(host, credential, machine) : undefined);
}

async function readCredential(host: string, credential: CredentialConfig, machine: Machine): Promise<Credential> {
  const secret = (file: string | undefined, variable: string | undefined) =>
    readSecret(host, { file, variable }, machine);
  const password = await secret(credential.passwordFile, credential.passwordEnv);
  const source = `registries.${host}.credentials`;
  if (password !== undefined) return { kind: 'basic', username: credential.username ?? '', password, source };
  const identity = await secret(credential.identityTokenFile, credential.identityTokenEnv);
  if (identity !== undefined) return { kind: 'identity', token: identity, source };
  const token = await secret(credential.registryTokenFile, credential.registryTokenEnv);
  if (token !== undefined) return { kind: 'bearer', token, source };
  throw new AppError('CONFIG_INVALID', `${source} has no secret`);
}

type SecretPlace = { readonly file: string | undefined; readonly variable: string | undefined };

async function readSecret(
  host: string,
  { file, variable }: SecretPlace,
  { env }: Machine,
): Promise<string | undefined> {
  if (file !== undefined) {
    const text = await readText(file).catch((cause) => {
      throw unreadable(host, file, messageOf(cause));
    });
    return text.replace(/\r?\n$/, '');
  }
  if (variable === undefined) return undefined;
  const value = env[variable];
  if (!value) throw unreadable(host, variable, 'the variable is not set');
  return value;
}

function unreadable(host: string, place: string, why: string): AppError {
  return new AppError('CREDENTIALS_UNREADABLE', `the credentials for ${host} cannot be read from ${place}`, {
    why,
    hint: `see registries.${host}.credentials in entrepot.yaml`,
  });
}

/** Runs a credential helper. */
const spawn: Spawn = async (command, { stdin, timeoutMs, maxOutputBytes }) => {
  const child = Bun.spawn([...command], {
    stdin: Buffer.from(stdin),
    stdout: 'pipe',
    stderr: 'ignore',
    timeout: timeoutMs,
    maxBuffer: maxOutputBytes,
  });
  const stdout = await new Response(child.stdout).text();
  return { exitCode: await child.exited, stdout };
};
