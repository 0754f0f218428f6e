import { isDigest, type ManifestReference, type RepositoryName } from '#core/oci';
import type { Database } from '#core/sql';
import { type Clock, createSizedCache, type Log, messageOf, type SizedCache, silentLog } from '#core/std';
import { addCounts, newTally, numbersOf } from './counters.ts';
import { stateKey } from './memory-state.ts';
import { beginCounters, pruneState, SINCE, saveState } from './sql-module.ts';
import {
  batchOf,
  bounded,
  isEmpty,
  knownOf,
  type ListRow,
  merged,
  noNotes,
  type ReferenceRow,
  type Unsaved,
} from './sql-notes.ts';
import { type CounterNotes, type ListNotes, type ProxyState, type ReferenceNotes, STATE_FLUSH_MS } from './state.ts';
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

/** Rows that anybody can bring about by asking for names that he makes up: some megabytes. */
export type StateBounds = {
  /** References of which the upstream said that there is none; the newest stay. */
  readonly absences: number;
  /** Lists with nothing in them. */
  readonly emptyLists: number;
  /** So many new ones of both, and the rows are looked at. */
  readonly lookAfter: number;
  /** Notes held while nothing can be written. */
  readonly unsaved: number;
};
const BOUNDS: StateBounds = { absences: 20_000, emptyLists: 20_000, lookAfter: 10_000, unsaved: 50_000 };

export type SqlStateOptions = { readonly log?: Log; readonly bounds?: Partial<StateBounds> };

type Book = {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly references: SizedCache<KnownReference>;
  readonly lists: SizedCache<KnownList<unknown>>;
  readonly closing: AbortController;
  readonly bounds: StateBounds;
  unsaved: Unsaved;
  /** On its way to the disk: still to be seen here. */
  sailing: Unsaved;
  writing: Promise<void> | undefined;
  prunedAtMs: number;
  /** Saved since then of what was nowhere. */
  absent: number;
};

/** What proxies know, in a database opened with `proxySql`. */
export function sqlProxyState(database: Database, clock: Clock, options: SqlStateOptions = {}): ProxyState {
  const { log = silentLog(), bounds } = options;
  const book: Book = {
    database,
    clock,
    log,
    references: createSizedCache(REFERENCE_CACHE_BYTES),
    lists: createSizedCache(LIST_CACHE_BYTES),
    closing: new AbortController(),
    bounds: { ...BOUNDS, ...bounds },
    unsaved: noNotes(),
    sailing: noNotes(),
    writing: undefined,
    prunedAtMs: clock.now(),
    absent: 0,
  };
  return {
    ...referenceNotes(book),
    ...listNotes(book),
    ...counterNotes(book),
    flush: () => flush(book),
    async close() {
      book.closing.abort();
      await flush(book);
    },
  };
}

function referenceNotes(book: Book): ReferenceNotes {
  return {
    peek(repository, reference) {
      const found = inMemory(book, repository, reference);
      return found === 'none' ? undefined : found;
    },
    async find(repository, reference) {
      const before = inMemory(book, repository, reference);
      if (before !== undefined) return before === 'none' ? undefined : before;
      const [row] = await book.database.read<ReferenceRow>(
        'SELECT * FROM proxy_reference WHERE repository = ? AND reference = ?',
        [repository, reference],
      );
      // Something may have been said while the disk was asked.
      const after = inMemory(book, repository, reference);
      if (after !== undefined) return after === 'none' ? undefined : after;
      const known = row && knownOf(row);
      if (known) book.references.set(stateKey(repository, reference), known, REFERENCE_BYTES);
      return known;
    },
    save(known) {
      const { repository, reference, digest, mediaType = '' } = known;
      const key = stateKey(repository, reference);
      book.references.set(key, known, REFERENCE_BYTES + mediaType.length);
      if (digest === undefined) book.absent++;
      // What a digest stands for is asked again or never: only that it was nowhere is no longer true.
      const isPassing = digest !== undefined && isDigest(reference);
      book.unsaved.references.set(key, isPassing ? { forgotten: { repository, reference } } : known);
      writeSoon(book);
    },
    forget(repository, reference) {
      const key = stateKey(repository, reference);
      book.references.delete(key);
      book.unsaved.references.set(key, { forgotten: { repository, reference } });
      writeSoon(book);
    },
  };
}

function inMemory(book: Book, repository: RepositoryName, reference: ManifestReference) {
  const key = stateKey(repository, reference);
  const cached = book.references.get(key);
  if (cached) return cached;
  const note = book.unsaved.references.get(key) ?? book.sailing.references.get(key);
  if (note === undefined) return undefined;
  return 'forgotten' in note ? 'none' : note;
}

function listNotes(book: Book): ListNotes {
  return {
    async list<T>(repository: RepositoryName, kind: KnownList<T>['kind']) {
      const key = stateKey(repository, kind);
      const known = book.unsaved.lists.get(key) ?? book.sailing.lists.get(key) ?? book.lists.get(key);
      // What was saved under a kind is of its type.
      if (known) return known as KnownList<T>;
      const [row] = await book.database.read<ListRow>('SELECT * FROM proxy_list WHERE repository = ? AND kind = ?', [
        repository,
        kind,
      ]);
      if (!row) return undefined;
      const read = JSON.parse(row.list) as KnownList<T>;
      book.lists.set(key, read, row.list.length);
      return read;
    },
    saveList(list) {
      const key = stateKey(list.repository, list.kind);
      book.lists.delete(key);
      if (list.items.length === 0) book.absent++;
      book.unsaved.lists.set(key, list);
      writeSoon(book);
    },
  };
}

function counterNotes(book: Book): CounterNotes {
  const { database, clock } = book;
  return {
    count(namespace, counts) {
      const tally = book.unsaved.tallies.get(namespace) ?? newTally();
      book.unsaved.tallies.set(namespace, tally);
      addCounts(tally, counts);
      writeSoon(book);
    },
    async counters(namespace) {
      await database.write(beginCounters, { namespace, nowMs: clock.now() });
      await flush(book);
      const rows = await database.read<{ name: string; value: number }>(
        'SELECT name, value FROM proxy_counter WHERE namespace = ?',
        [namespace],
      );
      const sinceMs = rows.find(({ name }) => name === SINCE)?.value ?? clock.now();
      return { namespace, sinceMs, ...numbersOf(rows) };
    },
  };
}

function writeSoon(book: Book): void {
  book.writing ??= writeLater(book);
}

async function writeLater(book: Book): Promise<void> {
  await book.clock.sleep(STATE_FLUSH_MS, book.closing.signal).catch(() => {});
  let isWritten = false;
  try {
    await write(book);
    await prune(book);
    isWritten = true;
  } catch (thrown) {
    // Kept in memory, and tried again with the next note.
    book.log.warn('what is known of upstreams could not be written', { why: messageOf(thrown) });
  }
  book.writing = undefined;
  if (isWritten && !isEmpty(book.unsaved)) writeSoon(book);
}

async function write(book: Book): Promise<void> {
  if (isEmpty(book.unsaved)) return;
  book.sailing = book.unsaved;
  book.unsaved = noNotes();
  try {
    await book.database.write(saveState, batchOf(book.sailing));
  } catch (thrown) {
    book.unsaved = bounded(merged(book.sailing, book.unsaved), book.bounds.unsaved);
    throw thrown;
  } finally {
    book.sailing = noNotes();
  }
}

async function prune(book: Book): Promise<void> {
  const nowMs = book.clock.now();
  const { absences, emptyLists, lookAfter } = book.bounds;
  if (nowMs - book.prunedAtMs < PRUNE_EVERY_MS && book.absent < lookAfter) return;
  book.prunedAtMs = nowMs;
  book.absent = 0;
  const ages = { absentBeforeMs: nowMs - ABSENT_KEPT_MS, listsBeforeMs: nowMs - LIST_KEPT_MS };
  await book.database.write(pruneState, { ...ages, absences, emptyLists });
}

async function flush(book: Book): Promise<void> {
  while (book.writing !== undefined) await book.writing;
  await write(book);
  await prune(book);
}
