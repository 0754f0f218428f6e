import { defineCommand, type SqlModule, type Tx } from '#core/sql';
import type { ReferenceRow, StateBatch } from './sql-notes.ts';
import { upstreamCommands, upstreamMigrations } from './upstream/sql-memory.ts';

const TABLES = `
CREATE TABLE proxy_reference (
  repository TEXT NOT NULL, reference TEXT NOT NULL, digest TEXT, media_type TEXT, size_bytes BIGINT,
  checked_at_ms BIGINT NOT NULL, changed_at_ms BIGINT NOT NULL, upstream TEXT NOT NULL,
  PRIMARY KEY (repository, reference)
);
CREATE INDEX proxy_reference_absent ON proxy_reference (checked_at_ms) WHERE digest IS NULL;
CREATE TABLE proxy_list (
  repository TEXT NOT NULL, kind TEXT NOT NULL, list TEXT NOT NULL, checked_at_ms BIGINT NOT NULL,
  PRIMARY KEY (repository, kind)
);
CREATE INDEX proxy_list_age ON proxy_list (checked_at_ms);
CREATE TABLE proxy_counter (
  namespace TEXT NOT NULL, name TEXT NOT NULL, value BIGINT NOT NULL,
  PRIMARY KEY (namespace, name)
)`;

/** Of lists with nothing in them there are as many as somebody makes up names. */
const EMPTY_LISTS = `
ALTER TABLE proxy_list ADD COLUMN is_empty INTEGER NOT NULL DEFAULT 0;
CREATE INDEX proxy_list_empty ON proxy_list (checked_at_ms) WHERE is_empty = 1`;

export const saveState = defineCommand('proxy.saveState', async (tx: Tx, batch: StateBatch) => {
  for (const row of batch.references) await saveReference(tx, row);
  for (const { repository, reference } of batch.forgotten) {
    await tx.run('DELETE FROM proxy_reference WHERE repository = ? AND reference = ?', [repository, reference]);
  }
  for (const { repository, kind, list, checked_at_ms, is_empty } of batch.lists) {
    await tx.run(
      `INSERT INTO proxy_list (repository, kind, list, checked_at_ms, is_empty) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (repository, kind) DO UPDATE SET
         list = excluded.list, checked_at_ms = excluded.checked_at_ms, is_empty = excluded.is_empty`,
      [repository, kind, list, checked_at_ms, is_empty],
    );
  }
  for (const { namespace, name, value } of batch.counters) {
    await tx.run(
      `INSERT INTO proxy_counter (namespace, name, value) VALUES (?, ?, ?)
       ON CONFLICT (namespace, name) DO UPDATE SET value = proxy_counter.value + excluded.value`,
      [namespace, name, value],
    );
  }
});

async function saveReference(tx: Tx, row: ReferenceRow): Promise<void> {
  await tx.run(
    `INSERT INTO proxy_reference
       (repository, reference, digest, media_type, size_bytes, checked_at_ms, changed_at_ms, upstream)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (repository, reference) DO UPDATE SET
       digest = excluded.digest, media_type = excluded.media_type, size_bytes = excluded.size_bytes,
       checked_at_ms = excluded.checked_at_ms, changed_at_ms = excluded.changed_at_ms, upstream = excluded.upstream`,
    [
      row.repository,
      row.reference,
      row.digest,
      row.media_type,
      row.size_bytes,
      row.checked_at_ms,
      row.changed_at_ms,
      row.upstream,
    ],
  );
}

export type PruneArgs = {
  readonly absentBeforeMs: number;
  readonly listsBeforeMs: number;
  /** So many of each are kept, the newest. */
  readonly absences: number;
  readonly emptyLists: number;
};

/** Rows of names that never were, which anybody can ask for, and of lists that nobody has asked for. */
export const pruneState = defineCommand(
  'proxy.pruneState',
  async (tx: Tx, { absentBeforeMs, listsBeforeMs, absences, emptyLists }: PruneArgs) => {
    await tx.run('DELETE FROM proxy_reference WHERE digest IS NULL AND checked_at_ms < ?', [absentBeforeMs]);
    await tx.run('DELETE FROM proxy_list WHERE checked_at_ms < ?', [listsBeforeMs]);
    await tx.run(
      `DELETE FROM proxy_reference WHERE digest IS NULL AND checked_at_ms < (
      SELECT checked_at_ms FROM proxy_reference WHERE digest IS NULL ORDER BY checked_at_ms DESC LIMIT 1 OFFSET ?)`,
      [absences],
    );
    await tx.run(
      `DELETE FROM proxy_list WHERE is_empty = 1 AND checked_at_ms < (
      SELECT checked_at_ms FROM proxy_list WHERE is_empty = 1 ORDER BY checked_at_ms DESC LIMIT 1 OFFSET ?)`,
      [emptyLists],
    );
  },
);

/** When a namespace's counters began: with the first question for them. */
export const beginCounters = defineCommand(
  'proxy.beginCounters',
  async (tx: Tx, { namespace, nowMs }: { readonly namespace: string; readonly nowMs: number }) => {
    await tx.run(
      'INSERT INTO proxy_counter (namespace, name, value) VALUES (?, ?, ?) ON CONFLICT (namespace, name) DO NOTHING',
      [namespace, SINCE, nowMs],
    );
  },
);
export const SINCE = 'sinceMs';

/** Tables and commands of proxies and upstreams: given to whoever opens the database, and to its writer. */
export const proxySql: SqlModule = {
  name: 'proxy',
  migrations: [TABLES, ...upstreamMigrations, EMPTY_LISTS],
  commands: [saveState, pruneState, beginCounters, ...upstreamCommands],
};
