import type { CacheStore } from '#core/registry';
import type { Database } from '#core/sql';
import type { Flights, ProxyEvent, Proxy as ProxyRegistry, Upstream } from '#registries/proxy';
import type { Config, ProxyConfig } from '#surface/config';
import type { Clients } from './clients.ts';
import type { Machine } from './machine.ts';

/** The proxy namespaces of a configuration, and what they share. */
export type Proxies = {
  /** By namespace. */
  readonly byName: ReadonlyMap<string, ProxyRegistry>;
  /** One for each host, shared by the namespaces that read it. */
  readonly upstreams: readonly Upstream[];
  /** Absent: there is no proxy namespace. */
  readonly flights?: Flights;
  /** Whoever counts and logs is told of all that happens. Never throws, never waits. */
  listen(listener: (event: ProxyEvent) => void): void;
  /** Ends the downloads and writes what is not yet written. */
  close(): Promise<void>;
};

export const NO_PROXIES: Proxies = {
  byName: new Map(),
  upstreams: [],
  listen: () => {},
  close: async () => {},
};

export type ProxiesOptions = {
  readonly config: Config;
  readonly machine: Machine;
  readonly store: CacheStore;
  readonly database: Database;
  readonly clients: Clients;
};

export function proxyEntries({ namespaces }: Config): readonly (readonly [string, ProxyConfig])[] {
  return Object.entries(namespaces ?? {}).flatMap(([name, entry]) =>
    entry.type === 'proxy' ? [[name, entry] as const] : [],
  );
}
