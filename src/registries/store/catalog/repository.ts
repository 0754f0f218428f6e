import type { Queries, Tx } from '#core/sql';

/** The row of a repository, or undefined. Rows are never removed: a name once used stays known. */
export async function repositoryId(queries: Queries, name: string): Promise<number | undefined> {
  const rows = await queries.read<{ id: number }>('SELECT id FROM repositories WHERE name = ?', [name]);
  return rows[0]?.id;
}

/** A repository begins with the first content stored in it. */
export async function ensureRepository(tx: Tx, name: string, nowMs: number): Promise<number> {
  const known = await repositoryId(tx, name);
  if (known !== undefined) return known;
  const rows = await tx.read<{ id: number }>(
    'INSERT INTO repositories (name, created_at_ms) VALUES (?, ?) RETURNING id',
    [name, nowMs],
  );
  return onlyRow(rows).id;
}

export function onlyRow<R>(rows: readonly R[]): R {
  const [row] = rows;
  if (row === undefined) throw new Error('a statement that returns a row returned none');
  return row;
}
