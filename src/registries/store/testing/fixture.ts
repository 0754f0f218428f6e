import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Database, defineCommand, openSqlite, type SqlWritePoint } from '#core/sql';
import { type Clock, type Log, silentLog, systemClock } from '#core/std';
import { storeModule } from '../catalog/module.ts';
import { diskFs } from '../disk-fs.ts';
import { openFolder } from '../folder.ts';
import type { StoreFs } from '../fs.ts';
import { layoutOf } from '../layout.ts';
import type { StoreLimits } from '../limits.ts';
import { createStore, type Store } from '../store.ts';

export type OpenStoreOptions = {
  readonly fs?: StoreFs;
  readonly clock?: Clock;
  readonly log?: Log;
  readonly limits?: Partial<StoreLimits>;
  readonly sparseIndexes?: boolean;
  readonly writePoint?: SqlWritePoint;
  readonly writer?: 'inline' | URL;
};

export type OpenedStore = { readonly store: Store; readonly database: Database; close(): Promise<void> };

/** A store as the program opens one, in a given folder. */
export async function openStore(path: string, options: OpenStoreOptions = {}): Promise<OpenedStore> {
  const fs = options.fs ?? diskFs();
  const log = options.log ?? silentLog();
  const folder = await openFolder(path, fs);
  const database = await openSqlite({
    path: folder.layout.catalog,
    modules: [storeModule],
    writer: options.writer ?? 'inline',
    log,
    ...(options.writePoint ? { writePoint: options.writePoint } : {}),
  });
  const store = await createStore({
    folder,
    database,
    fs,
    log,
    clock: options.clock ?? systemClock(),
    random: (sizeBytes) => crypto.getRandomValues(new Uint8Array(sizeBytes)),
    ...(options.limits ? { limits: options.limits } : {}),
    ...(options.sparseIndexes === undefined ? {} : { sparseIndexes: options.sparseIndexes }),
  });
  return {
    store,
    database,
    async close() {
      await store.close();
      await database.close();
      folder.release();
    },
  };
}

/** A folder that does not exist yet, inside one that is removed by `dispose`. */
export function temporaryFolder(): { readonly path: string; dispose(): void } {
  const parent = mkdtempSync(join(tmpdir(), 'entrepot-store-'));
  return { path: join(parent, 'data'), dispose: () => rmSync(parent, { recursive: true, force: true }) };
}

/** A store in a fresh folder. `dispose` closes it and removes the folder; `reopen` is a restart. */
export async function freshStore(options: OpenStoreOptions = {}) {
  const { path, dispose } = temporaryFolder();
  let opened = await openStore(path, options);
  return {
    path,
    get store() {
      return opened.store;
    },
    get database() {
      return opened.database;
    },
    async reopen(again: OpenStoreOptions = options) {
      await opened.close();
      opened = await openStore(path, again);
    },
    async dispose() {
      await opened.close();
      dispose();
    },
  };
}
export type FreshStore = Awaited<ReturnType<typeof freshStore>>;

/** Changes the bytes of every manifest behind the store's back, as a broken disk does; the store is opened again. */
export async function damageManifests(fixture: FreshStore): Promise<void> {
  const damage = defineCommand('test.damage', (tx) => tx.run("UPDATE manifests SET bytes = CAST('{}' AS BLOB)"));
  const catalog = await openSqlite({
    path: layoutOf(fixture.path).catalog,
    modules: [{ name: 'test', migrations: [], commands: [damage] }],
    writer: 'inline',
    log: silentLog(),
  });
  await catalog.write(damage, undefined);
  await catalog.close();
  await fixture.reopen();
}
