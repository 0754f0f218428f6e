import { randomBytes } from 'node:crypto';
import { type Call, type Registry, readOnly } from '#core/registry';
import { type Database, openSqlite } from '#core/sql';
import { type MirrorState, sqlState } from '#engine/mirror';
import type { Proxy as ProxyRegistry } from '#registries/proxy';
import { createStore, diskFs, openFolder, type Store } from '#registries/store';
import type { Config } from '#surface/config';
import { type Clients, createClients } from './clients.ts';
import { durationOf } from './duration.ts';
import type { Machine } from './machine.ts';
import { SQL_MODULES } from './modules.ts';
import { canonicalBy, namespaced, proxyFinder } from './namespaces.ts';
import { NO_PROXIES, type Proxies, type ProxiesOptions, proxyEntries } from './proxies.ts';

/** The program, wired: the drawing of docs/architecture.md as code. */
export type App = {
  readonly config: Config;
  readonly machine: Machine;
  /** What is kept here, as clients see it: routed by namespace, immutable where the configuration says so. */
  readonly registry: Registry;
  /** The same without those elsewhere, for whoever only looks: no upstream is asked, and nothing counts as a pull. */
  readonly shelves: Registry;
  readonly store: Store;
  /** Registries elsewhere. */
  readonly clients: Clients;
  readonly proxies: Proxies;
  /** The proxy namespace that a name is in. */
  readonly proxyOf: (repository: string) => ProxyRegistry | undefined;
  readonly mirrors: MirrorState;
  readonly database: Database;
  close(): Promise<void>;
};

/** `thread` keeps commits off the serving thread; commands that end at once commit by themselves. */
export type ComposeOptions = { readonly writer: 'inline' | 'thread' };

/** Takes the data folder and wires everything over it. Throws STORE_LOCKED, STORE_FORMAT, STORE_UNUSABLE. */
export async function compose(config: Config, machine: Machine, { writer }: ComposeOptions): Promise<App> {
  const folder = await openFolder(config.storage.path, diskFs());
  const opened: { close(): Promise<void> | void }[] = [{ close: folder.release }];
  const close = async () => {
    // What was opened last is closed first.
    for (const one of opened.splice(0).toReversed()) await one.close();
  };
  try {
    const database = await openCatalog(folder.layout.catalog, machine, writer);
    opened.push(database);
    const store = await createStore({
      folder,
      database,
      clock: machine.clock,
      random: (sizeBytes) => randomBytes(sizeBytes),
      log: machine.log,
      limits: { uploadIdleMs: durationOf(config.storage.uploadsExpire) },
    });
    opened.push(store);
    const clients = createClients(config, machine);
    const proxies = await openProxies({ config, machine, store, database, clients });
    opened.push(proxies);
    const proxyOf = proxyFinder(config, proxies.byName);
    const canonical = canonicalBy(proxyOf);
    return {
      config,
      machine,
      store,
      registry: namespaced(config, { store, proxies: proxies.byName, canonical }),
      shelves: namespaced(config, { store, proxies: shelvesOf(config, store), canonical }),
      clients,
      proxies,
      proxyOf,
      mirrors: sqlState(database),
      database,
      close,
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/** Proxies as they stand on disk. Whoever only looks writes nothing: a cache is written by its fetcher alone. */
function shelvesOf(config: Config, store: Registry): ReadonlyMap<string, Registry> {
  const shelf = readOnly(store, 'it is a copy that the proxy alone writes');
  return new Map(proxyEntries(config).map(([name]) => [name, shelf]));
}

/** Their code is loaded where there are any: most commands are over before it would be read. */
async function openProxies(options: ProxiesOptions): Promise<Proxies> {
  if (proxyEntries(options.config).length === 0) return NO_PROXIES;
  return await (await import('./proxy-wiring.ts')).wireProxies(options);
}

function openCatalog(path: string, { log }: Machine, writer: ComposeOptions['writer']): Promise<Database> {
  return openSqlite({
    path,
    modules: SQL_MODULES,
    writer: writer === 'inline' ? 'inline' : new URL('./writer.ts', import.meta.url),
    log,
  });
}

/** Jobs and commands act as the system itself. */
export function systemCall(name: string, signal?: AbortSignal): Call {
  return {
    principal: { kind: 'system', name },
    requestId: `${name}-${crypto.randomUUID()}`,
    purpose: 'mirror',
    ...(signal ? { signal } : {}),
  };
}
