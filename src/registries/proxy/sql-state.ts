import type { Digest, ManifestReference, RepositoryName } from '#core/oci';
import type { Database } from '#core/sql';
import { type Clock, createSizedCache, type Log, messageOf, silentLog } from '#core/std';
import { addCounts, newTally, numbersOf, rowsOf, type Tally } from './counters.ts';
import { stateKey } from './memory-state.ts';
import {
  beginCounters,
  type ListRow,
  pruneState,
  type ReferenceRow,
  SINCE,
  type StateBatch,
  saveState,
} from './sql-module.ts';
import { type ProxyState, STATE_FLUSH_MS } from './state.ts';
import type { KnownList, KnownReference } from './types.ts';

/** References in memory: some fifty thousand in use. */
const REFERENCE_CACHE_BYTES = 32 * 1024 * 1024;
const REFERENCE_BYTES = 600;
/** Lists in memory; one of a thousand tags has some 20 KB. */
const LIST_CACHE_BYTES = 16 * 1024 * 1024;
/** Looked at so often for rows that nobody needs. */
const PRUNE_EVERY_MS = 3_600_000;
/** "There is none" is not given again after a day by any sensible rule; a list, after a quarter of a year. */
const ABSENT_KEPT_MS = 86_400_000;
const LIST_KEPT_MS = 90 * 86_400_000;

/** What is to be written, the last word for each key. */
type Unsaved = {
  readonly references: Map<string, KnownReference | { readonly forgotten: Key }>;
  readonly lists: Map<string, KnownList<unknown>>;
  readonly tallies: Map<string, Tally>;
};
type Key = { readonly repository: RepositoryName; readonly reference: ManifestReference };
const nothing = (): Unsaved => ({ references: new Map(), lists: new Map(), tallies: new Map() });

/** What proxies know, in a database opened with `proxySql`. */
export function sqlProxyState(database: Database, clock: Clock, log: Log = silentLog()): ProxyState {
  const references = createSizedCache<KnownReference>(REFERENCE_CACHE_BYTES);
  const lists = createSizedCache<KnownList<unknown>>(LIST_CACHE_BYTES);
  const closing = new AbortController();
  let unsaved = nothing();
  /** On its way to the disk: still to be seen here. */
  let sailing = nothing();
  let writing: Promise<void> | undefined;
  let prunedAtMs = clock.now();

  const write = async () => {
    if (isEmpty(unsaved)) return;
    sailing = unsaved;
    unsaved = nothing();
    try {
      await database.write(saveState, batchOf(sailing));
    } catch (thrown) {
      // What came meanwhile is newer.
      unsaved = merged(sailing, unsaved);
      throw thrown;
    } finally {
      sailing = nothing();
    }
  };
  const prune = async () => {
    const nowMs = clock.now();
    if (nowMs - prunedAtMs < PRUNE_EVERY_MS) return;
    prunedAtMs = nowMs;
    await database.write(pruneState, { absentBeforeMs: nowMs - ABSENT_KEPT_MS, listsBeforeMs: nowMs - LIST_KEPT_MS });
  };
  const writeSoon = async () => {
    await clock.sleep(STATE_FLUSH_MS, closing.signal).catch(() => {});
    try {
      await write();
      await prune();
    } catch (thrown) {
      // Kept in memory, and tried again with the next note.
      log.warn('what is known of upstreams could not be written', { why: messageOf(thrown) });
      return;
    } finally {
      writing = undefined;
    }
    if (!isEmpty(unsaved)) begin();
  };
  const begin = () => {
    writing ??= writeSoon();
  };

  const inMemory = (repository: RepositoryName, reference: ManifestReference): KnownReference | 'none' | undefined => {
    const key = stateKey(repository, reference);
    const cached = references.get(key);
    if (cached) return cached;
    const note = unsaved.references.get(key) ?? sailing.references.get(key);
    if (note === undefined) return undefined;
    return 'forgotten' in note ? 'none' : note;
  };
  const flush = async () => {
    while (writing) await writing;
    await write();
  };

  return {
    peek(repository, reference) {
      const found = inMemory(repository, reference);
      return found === 'none' ? undefined : found;
    },
    async find(repository, reference) {
      const found = inMemory(repository, reference);
      if (found !== undefined) return found === 'none' ? undefined : found;
      const [row] = await database.read<ReferenceRow>(
        'SELECT * FROM proxy_reference WHERE repository = ? AND reference = ?',
        [repository, reference],
      );
      // Something may have been said while the disk was asked.
      const newer = inMemory(repository, reference);
      if (newer !== undefined) return newer === 'none' ? undefined : newer;
      const known = row && knownOf(row);
      if (known) references.set(stateKey(repository, reference), known, REFERENCE_BYTES);
      return known;
    },
    save(known) {
      const key = stateKey(known.repository, known.reference);
      references.set(key, known, REFERENCE_BYTES);
      unsaved.references.set(key, known);
      begin();
    },
    forget(repository, reference) {
      const key = stateKey(repository, reference);
      references.delete(key);
      unsaved.references.set(key, { forgotten: { repository, reference } });
      begin();
    },
    async list<T>(repository: RepositoryName, kind: KnownList<T>['kind']) {
      const key = stateKey(repository, kind);
      const known = unsaved.lists.get(key) ?? sailing.lists.get(key) ?? lists.get(key);
      // What was saved under a kind is of its type.
      if (known) return known as KnownList<T>;
      const [row] = await database.read<ListRow>('SELECT * FROM proxy_list WHERE repository = ? AND kind = ?', [
        repository,
        kind,
      ]);
      if (!row) return undefined;
      const read = JSON.parse(row.list) as KnownList<T>;
      lists.set(key, read, row.list.length);
      return read;
    },
    saveList(list) {
      const key = stateKey(list.repository, list.kind);
      lists.delete(key);
      unsaved.lists.set(key, list);
      begin();
    },
    count(namespace, counts) {
      const tally = unsaved.tallies.get(namespace) ?? newTally();
      unsaved.tallies.set(namespace, tally);
      addCounts(tally, counts);
      begin();
    },
    async counters(namespace) {
      await database.write(beginCounters, { namespace, nowMs: clock.now() });
      await flush();
      const rows = await database.read<{ name: string; value: number }>(
        'SELECT name, value FROM proxy_counter WHERE namespace = ?',
        [namespace],
      );
      const sinceMs = rows.find(({ name }) => name === SINCE)?.value ?? clock.now();
      return { namespace, sinceMs, ...numbersOf(rows) };
    },
    flush,
    async close() {
      closing.abort();
      await flush();
    },
  };
}

function isEmpty({ references, lists, tallies }: Unsaved): boolean {
  return references.size === 0 && lists.size === 0 && tallies.size === 0;
}

function merged(older: Unsaved, newer: Unsaved): Unsaved {
  const tallies = new Map(older.tallies);
  for (const [namespace, tally] of newer.tallies) {
    const sum = tallies.get(namespace);
    if (!sum) tallies.set(namespace, tally);
    else for (const [verdict, count] of addTally(sum, tally)) sum.verdicts.set(verdict, count);
  }
  return {
    references: new Map([...older.references, ...newer.references]),
    lists: new Map([...older.lists, ...newer.lists]),
    tallies,
  };
}

function addTally(sum: Tally, { verdicts, ...numbers }: Tally) {
  addCounts(sum, numbers);
  return [...verdicts].map(([verdict, count]) => [verdict, (sum.verdicts.get(verdict) ?? 0) + count] as const);
}

function batchOf({ references, lists, tallies }: Unsaved): StateBatch {
  const notes = [...references.values()];
  return {
    references: notes.flatMap((note) => ('forgotten' in note ? [] : [rowOf(note)])),
    forgotten: notes.flatMap((note) => ('forgotten' in note ? [note.forgotten] : [])),
    lists: [...lists.values()].map((list) => ({
      repository: list.repository,
      kind: list.kind,
      list: JSON.stringify(list),
      checked_at_ms: list.checkedAtMs,
    })),
    counters: [...tallies].flatMap(([namespace, tally]) => rowsOf(tally).map((row) => ({ namespace, ...row }))),
  };
}

function rowOf(known: KnownReference): ReferenceRow {
  return {
    repository: known.repository,
    reference: known.reference,
    digest: known.digest ?? null,
    media_type: known.mediaType ?? null,
    size_bytes: known.sizeBytes ?? null,
    checked_at_ms: known.checkedAtMs,
    changed_at_ms: known.changedAtMs,
    upstream: known.upstream,
  };
}

/** Rows are what `rowOf` made of checked values. */
function knownOf(row: ReferenceRow): KnownReference {
  return {
    repository: row.repository as RepositoryName,
    reference: row.reference as ManifestReference,
    checkedAtMs: row.checked_at_ms,
    changedAtMs: row.changed_at_ms,
    upstream: row.upstream,
    ...(row.digest === null ? {} : { digest: row.digest as Digest }),
    ...(row.media_type === null ? {} : { mediaType: row.media_type }),
    ...(row.size_bytes === null ? {} : { sizeBytes: row.size_bytes }),
  };
}
