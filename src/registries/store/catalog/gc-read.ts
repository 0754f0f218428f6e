import type { Digest, RepositoryName } from '#core/oci';
import type { Queries } from '#core/sql';
import { type HistoryTag, UNREFERENCED_LINK, UNTAGGED_MANIFESTS, UNUSED_BLOB } from './gc.ts';

/** Pages of rows with what gc wants to know of each: a page costs the same however little of it is garbage. */

export async function readRepositoryPage(queries: Queries, after: number, limit: number) {
  return await queries.read<{ id: number; name: RepositoryName }>(
    'SELECT id, name FROM repositories WHERE id > ? ORDER BY id LIMIT ?',
    [after, limit],
  );
}

export async function readUntagged(queries: Queries, repositoryId: number, beforeMs: number) {
  return await queries.read<{ id: number; digest: Digest; size_bytes: number }>(UNTAGGED_MANIFESTS, [
    repositoryId,
    beforeMs,
    '[]',
  ]);
}

/** Tags of these repositories with more history than is kept. */
export async function readLongHistories(queries: Queries, range: { first: number; last: number; keep: number }) {
  return await queries.read<HistoryTag>(
    `SELECT repository_id, tag FROM tag_history WHERE repository_id BETWEEN ? AND ?
     GROUP BY repository_id, tag HAVING count(*) > ?`,
    [range.first, range.last, range.keep],
  );
}

export type LinkRow = {
  readonly repository_id: number;
  readonly blob_id: number;
  readonly linked_at_ms: number;
  readonly name: RepositoryName;
  readonly digest: Digest;
  readonly referenced: number;
};

export async function readLinkPage(
  queries: Queries,
  after: { readonly repository_id: number; readonly blob_id: number },
  limit: number,
) {
  return await queries.read<LinkRow>(
    `SELECT l.repository_id, l.blob_id, l.linked_at_ms, r.name, b.digest, NOT ${UNREFERENCED_LINK} AS referenced
     FROM blob_links l JOIN repositories r ON r.id = l.repository_id JOIN blobs b ON b.id = l.blob_id
     WHERE (l.repository_id, l.blob_id) > (?, ?) ORDER BY l.repository_id, l.blob_id LIMIT ?`,
    [after.repository_id, after.blob_id, limit],
  );
}

/** `unlinked`: unused now. `loose`: unused once the links that are old and unreferenced are dropped. */
export async function readBlobPage(
  queries: Queries,
  { after, beforeMs, limit }: { readonly after: number; readonly beforeMs: number; readonly limit: number },
) {
  return await queries.read<{
    id: number;
    size_bytes: number;
    available: number;
    stored_at_ms: number;
    unlinked: number;
    loose: number;
  }>(
    `SELECT b.id, b.size_bytes, b.available, b.stored_at_ms, (${UNUSED_BLOB}) AS unlinked,
       NOT EXISTS (SELECT 1 FROM blob_links l WHERE l.blob_id = b.id
         AND (l.linked_at_ms > ?2 OR NOT ${UNREFERENCED_LINK})) AS loose
     FROM blobs b WHERE b.id > ?1 ORDER BY b.id LIMIT ?3`,
    [after, beforeMs, limit],
  );
}
