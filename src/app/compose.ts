import { randomBytes } from 'node:crypto';
import { type Call, immutable, type Registry, type Routes, routed } from '#core/registry';
import { type Database, openSqlite } from '#core/sql';
import { type MirrorState, sqlState } from '#engine/mirror';
import { createStore, diskFs, openFolder, type Store } from '#registries/store';
import { type Config, tryParseDuration } from '#surface/config';
import { type Clients, createClients } from './clients.ts';
import type { Machine } from './machine.ts';
import { SQL_MODULES } from './modules.ts';

/** The program, wired: the drawing of docs/architecture.md as code. */
export type App = {
  readonly config: Config;
  readonly machine: Machine;
  /** What is kept here, as clients see it: routed by namespace, immutable where the configuration says so. */
  readonly registry: Registry;
  readonly store: Store;
  /** Registries elsewhere. */
  readonly clients: Clients;
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
    return {
      config,
      machine,
      store,
      registry: namespaced(store, config),
      clients: createClients(config, machine),
      mirrors: sqlState(database),
      database,
      close,
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

function openCatalog(path: string, { log }: Machine, writer: ComposeOptions['writer']): Promise<Database> {
  return openSqlite({
    path,
    modules: SQL_MODULES,
    writer: writer === 'inline' ? 'inline' : new URL('./writer.ts', import.meta.url),
    log,
  });
}

/** Without namespaces every name is hosted; with them, only what they cover, each under its own rules. */
function namespaced(store: Registry, { namespaces }: Config): Registry {
  if (namespaces === undefined) return store;
  // Namespaces of equal rules share one wrapper: blobs can be mounted from one into the other.
  const byRules = new Map<string, Registry>([['[]', store]]);
  const routes: Routes = Object.fromEntries(
    Object.entries(namespaces).flatMap(([name, namespace]) => {
      if (namespace.type !== 'hosted') return [];
      const { immutableTags } = namespace;
      const key = JSON.stringify(immutableTags.toSorted());
      const registry = byRules.get(key) ?? immutable(store, immutableTags);
      byRules.set(key, registry);
      return [[name, registry]];
    }),
  );
  return routed(routes);
}

/** A duration that `checkMeaning` has read before. */
export function durationOf(text: string): number {
  const durationMs = tryParseDuration(text);
  if (durationMs === undefined) throw new RangeError(`${text} is no duration`);
  return durationMs;
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
