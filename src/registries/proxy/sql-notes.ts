import type { Digest, ManifestReference, RepositoryName } from '#core/oci';
import { addCounts, newTally, rowsOf, type Tally } from './counters.ts';
import type { KnownList, KnownReference } from './types.ts';

export type ReferenceRow = {
  readonly repository: string;
  readonly reference: string;
  readonly digest: string | null;
  readonly media_type: string | null;
  readonly size_bytes: number | null;
  readonly checked_at_ms: number;
  readonly changed_at_ms: number;
  readonly upstream: string;
};
export type ListRow = {
  readonly repository: string;
  readonly kind: string;
  readonly list: string;
  readonly checked_at_ms: number;
  readonly is_empty: number;
};

/** What is written in one transaction, as rows. */
export type StateBatch = {
  readonly references: readonly ReferenceRow[];
  readonly forgotten: readonly { readonly repository: string; readonly reference: string }[];
  readonly lists: readonly ListRow[];
  readonly counters: readonly { readonly namespace: string; readonly name: string; readonly value: number }[];
};

type Forgotten = {
  readonly forgotten: { readonly repository: RepositoryName; readonly reference: ManifestReference };
};

/** What is to be written, the last word for each key. */
export type Unsaved = {
  readonly references: Map<string, KnownReference | Forgotten>;
  readonly lists: Map<string, KnownList<unknown>>;
  readonly tallies: Map<string, Tally>;
};

export function noNotes(): Unsaved {
  return { references: new Map(), lists: new Map(), tallies: new Map() };
}

export function isEmpty({ references, lists, tallies }: Unsaved): boolean {
  return references.size === 0 && lists.size === 0 && tallies.size === 0;
}

/** Both together; what is newer counts. */
export function merged(older: Unsaved, newer: Unsaved): Unsaved {
  const tallies = new Map(older.tallies);
  for (const [namespace, tally] of newer.tallies) {
    const sum = tallies.get(namespace);
    tallies.set(namespace, sum ? sumOf(sum, tally) : tally);
  }
  return {
    references: new Map([...older.references, ...newer.references]),
    lists: new Map([...older.lists, ...newer.lists]),
    tallies,
  };
}

/** No more notes than `most`: absences go first, which are believed for a minute. Counts are few, and stay. */
export function bounded(notes: Unsaved, most: number): Unsaved {
  if (notes.references.size + notes.lists.size <= most) return notes;
  const references = new Map([...notes.references].filter(([, note]) => !isAbsence(note)).slice(-most));
  const filled = [...notes.lists].filter(([, { items }]) => items.length > 0);
  const lists = new Map(filled.slice(-Math.max(1, most - references.size)));
  return { references, lists, tallies: notes.tallies };
}

function isAbsence(note: KnownReference | Forgotten): boolean {
  return !('forgotten' in note) && note.digest === undefined;
}

function sumOf(one: Tally, other: Tally): Tally {
  const sum = newTally();
  for (const { verdicts, ...numbers } of [one, other]) {
    addCounts(sum, numbers);
    for (const [verdict, count] of verdicts) sum.verdicts.set(verdict, (sum.verdicts.get(verdict) ?? 0) + count);
  }
  return sum;
}

export function batchOf({ references, lists, tallies }: Unsaved): StateBatch {
  const notes = [...references.values()];
  return {
    references: notes.flatMap((note) => ('forgotten' in note ? [] : [rowOf(note)])),
    forgotten: notes.flatMap((note) => ('forgotten' in note ? [note.forgotten] : [])),
    lists: [...lists.values()].map((list) => ({
      repository: list.repository,
      kind: list.kind,
      list: JSON.stringify(list),
      checked_at_ms: list.checkedAtMs,
      is_empty: list.items.length === 0 ? 1 : 0,
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
export function knownOf(row: ReferenceRow): KnownReference {
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
