import type { Digest, RepositoryName, TagName } from '#core/oci';
import type { Queries } from '#core/sql';
import { HANGS, MEMBERS } from './evict.ts';
import { UNREFERENCED_LINK } from './gc.ts';

/** What a namespace holds, in pages that each cost some milliseconds at most. */

export type RepositoryRow = { readonly id: number; readonly name: RepositoryName };

export type NamespacePage = { readonly namespace: string; readonly after: string; readonly limit: number };

/** The repository of that name itself, and those below it. */
export async function readNamespace(queries: Queries, { namespace, after, limit }: NamespacePage) {
  const first = `${namespace}/`;
  const below = await queries.read<RepositoryRow>(
    'SELECT id, name FROM repositories WHERE name > ? AND name < ? ORDER BY name LIMIT ?',
    [after > first ? after : first, `${namespace}0`, limit],
  );
  if (after !== '') return below;
  const own = await queries.read<RepositoryRow>('SELECT id, name FROM repositories WHERE name = ?', [namespace]);
  return [...own, ...below];
}

export type HeldRow = { readonly id: number; readonly size_bytes: number; readonly available: number };
type Within = { readonly repository: number; readonly after: number; readonly limit: number };

export async function readManifestsHeld(queries: Queries, { repository, after, limit }: Within) {
  return await queries.read<HeldRow>(
    `SELECT m.id, m.size_bytes, m.available FROM manifest_links l JOIN manifests m ON m.id = l.manifest_id
     WHERE l.repository_id = ? AND l.manifest_id > ? ORDER BY l.manifest_id LIMIT ?`,
    [repository, after, limit],
  );
}

export async function readBlobsHeld(queries: Queries, { repository, after, limit }: Within) {
  return await queries.read<HeldRow & { readonly linked_at_ms: number; readonly loose: number }>(
    `SELECT b.id, b.size_bytes, b.available, l.linked_at_ms, ${UNREFERENCED_LINK} AS loose
     FROM blob_links l JOIN blobs b ON b.id = l.blob_id
     WHERE l.repository_id = ? AND l.blob_id > ? ORDER BY l.blob_id LIMIT ?`,
    [repository, after, limit],
  );
}

export async function countTags(queries: Queries, repository: number): Promise<number> {
  const rows = await queries.read<{ count: number }>('SELECT count(*) AS count FROM tags WHERE repository_id = ?', [
    repository,
  ]);
  return rows[0]?.count ?? 0;
}

export type UseCursor = { readonly used_at_ms: number; readonly repository_id: number; readonly manifest_id: number };
export type UsedRow = UseCursor & { readonly name: RepositoryName; readonly digest: Digest; readonly hangs: number };

/** Manifests that caches keep, of all namespaces, the longest unused first. */
export async function readUsed(queries: Queries, after: UseCursor, limit: number) {
  return await queries.read<UsedRow>(
    `SELECT l.used_at_ms, l.repository_id, l.manifest_id, r.name, m.digest, ${HANGS} AS hangs FROM manifest_links l
     JOIN repositories r ON r.id = l.repository_id JOIN manifests m ON m.id = l.manifest_id
     WHERE l.used_at_ms IS NOT NULL AND (l.used_at_ms, l.repository_id, l.manifest_id) > (?, ?, ?)
     ORDER BY l.used_at_ms, l.repository_id, l.manifest_id LIMIT ?`,
    [after.used_at_ms, after.repository_id, after.manifest_id, limit],
  );
}

/** Tags of a manifest and of all that hangs on it. */
export async function readUnitTags(queries: Queries, repository: number, manifest: number): Promise<TagName[]> {
  const rows = await queries.read<{ name: TagName }>(
    `${MEMBERS} SELECT t.name FROM member u JOIN tags t ON t.repository_id = ?1 AND t.manifest_id = u.id`,
    [repository, manifest],
  );
  return rows.map((row) => row.name);
}

/** A blob in whatever repository. */
export async function readStoredSize(queries: Queries, digest: Digest): Promise<number | undefined> {
  const rows = await queries.read<{ size_bytes: number }>(
    `SELECT size_bytes FROM blobs b WHERE digest = ? AND available = 1
     AND EXISTS (SELECT 1 FROM blob_links l WHERE l.blob_id = b.id)`,
    [digest],
  );
  return rows[0]?.size_bytes;
}
