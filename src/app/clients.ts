import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import type { Registry } from '#core/registry';
import {
  type ClientOptions,
  type CredentialSource,
  certificateBundle,
  createClient,
  proxyFor,
  quirksOf,
} from '#registries/client';
import type { UpstreamAccount } from '#registries/proxy';
import { type Config, type CredentialConfig, defaultLimits, isLoopback, type RegistryConfig } from '#surface/config';
import { byRepository } from './by-repository.ts';
import { configuredCredential, matcherOf, storedCredentials } from './credential.ts';
import type { Machine } from './machine.ts';
import { upstreamAccounts } from './upstream-accounts.ts';

type Role = 'source' | 'destination';

/** Registries elsewhere, by host: one client each for reading and for writing, made when first asked for. */
export type Clients = {
  get(host: string, role: Role): Promise<Registry>;
  /** Those that a proxy reads a host by, each under its own name there. */
  accounts(host: string): Promise<readonly UpstreamAccount[]>;
  /** Where a host is and by which way its clients get there. */
  way(host: string): Promise<Way>;
};

export type Way = {
  readonly url: URL;
  readonly proxy?: string;
  /** Certificates that are trusted, as PEM; absent for plain HTTP. */
  readonly ca?: string;
};

/** How long troubles are waited out: jobs as the client does by itself, a person who looks on not so long. */
export type Patience = 'job' | 'person';

export function createClients(config: Config, machine: Machine, patience: Patience = 'job'): Clients {
  const made = new Map<string, Promise<Registry>>();
  const certificates = certificateCache();
  return {
    get: (host, role) => {
      const key = `${role} ${host}`;
      const known = made.get(key);
      if (known) return known;
      const entry = config.registries[host];
      const client = clientOptions({ host, entry, machine, certificates }).then((options) => {
        const common = { ...options, ...PATIENCE[patience], ...(role === 'destination' ? { pushes: () => true } : {}) };
        return signedIn({ host, entry, machine }, (credentials) => createClient({ ...common, credentials }));
      });
      made.set(key, client);
      return client;
    },
    accounts: async (host) => {
      const entry = config.registries[host];
      const client = await clientOptions({ host, entry, machine, certificates });
      return await upstreamAccounts({ host, entry, machine, client, limits: entry?.limits ?? defaultLimits() });
    },
    way: async (host) => wayOf(await clientOptions({ host, entry: config.registries[host], machine, certificates })),
  };
}

/** About 2 s where nobody listens, a minute and a half where nobody answers. */
const PATIENCE: Readonly<Record<Patience, Pick<ClientOptions, 'retry' | 'timeouts'>>> = {
  job: {},
  person: { retry: { attempts: 3 }, timeouts: { responseMs: 30_000 } },
};

type Elsewhere = { readonly host: string; readonly entry: RegistryConfig | undefined; readonly machine: Machine };

/** The client for a host, or where credentials differ by repository, one client for each of them behind one face. */
function signedIn({ host, entry, machine }: Elsewhere, create: (credentials: CredentialSource) => Registry): Registry {
  const where = `registries.${host}.credentials`;
  const given = entry?.credentials;
  const choices: readonly CredentialConfig[] = Array.isArray(given) ? given : given ? [given] : [];
  const members = choices.map((choice, index) => {
    const { repositories } = choice;
    const source = Array.isArray(given) ? `${where}[${index}]` : where;
    return {
      serves: repositories === undefined ? () => true : matcherOf(repositories),
      registry: create(configuredCredential(source, choice, machine)),
    };
  });
  const forAll = choices.findIndex(({ repositories }) => repositories === undefined);
  const rest = members[forAll]?.registry ?? create(storedCredentials(machine));
  if (choices.every(({ repositories }) => repositories === undefined)) return rest;
  return byRepository((name) => members.find(({ serves }) => serves(name))?.registry ?? rest, rest);
}

async function clientOptions(
  options: Elsewhere & { readonly certificates: (file: string | undefined) => Promise<string> },
): Promise<ClientOptions> {
  const { host, entry, machine, certificates } = options;
  const insecure = isPlain(host, entry);
  return {
    host,
    fetch: (url, init) => machine.fetch(url, init),
    clock: machine.clock,
    random: Math.random,
    lookup: async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
    userAgent: `entrepot/${machine.version}`,
    insecure,
    proxy: entry?.proxyUrl === undefined ? { env: proxyFrom(machine.env) } : { url: entry.proxyUrl },
    trustedHosts: entry?.trustedHosts ?? [],
    ...(entry?.url === undefined ? {} : { url: entry.url }),
    // Read for https alone: it takes longer than a short command needs for all the rest.
    ...(insecure ? {} : { ca: await certificates(entry?.ca) }),
  };
}

function wayOf({ host, url, insecure, proxy, ca }: ClientOptions): Way {
  const written = url ?? `${insecure ? 'http' : 'https'}://${quirksOf(host).apiHost ?? host}`;
  const target = new URL(new URL(written).origin);
  const through = proxyFor(target, proxy);
  return { url: target, ...(through === undefined ? {} : { proxy: through }), ...(ca === undefined ? {} : { ca }) };
}

/** As docker does: this machine's own registries speak plain HTTP unless the configuration says otherwise. */
function isPlain(host: string, entry: RegistryConfig | undefined): boolean {
  if (entry?.url !== undefined) return new URL(entry.url).protocol === 'http:';
  return entry?.insecure ?? (entry?.ca === undefined && isLoopback(hostnameOf(host)));
}

const readText = (path: string) => readFile(path, 'utf8');

/** Certificates by the private file they hold besides the system's, each read once. */
function certificateCache(): (file: string | undefined) => Promise<string> {
  const bundles = new Map<string | undefined, Promise<string>>();
  return (file) => {
    const known = bundles.get(file);
    if (known !== undefined) return known;
    const bundle = certificateBundle({ readFile: readText, files: file === undefined ? [] : [file] });
    bundles.set(file, bundle);
    return bundle;
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
