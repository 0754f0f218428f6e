import type { Digest } from '#core/oci';
import { defineCommand, type Tx } from '#core/sql';
import { unlinkManifest } from './manifest.ts';

/** A blob linked in a repository where no manifest names it. The edge's rows are the repository's own: two index look-ups. */
export const UNREFERENCED_LINK = `NOT EXISTS (SELECT 1 FROM manifest_blobs e
  WHERE e.repository_id = l.repository_id AND e.blob_id = l.blob_id)`;
const NAMED = 'EXISTS (SELECT 1 FROM manifest_blobs e WHERE e.blob_id = b.id)';
/** A blob that no repository links. One that a manifest still names keeps its row, for the edge, but not its file. */
export const UNUSED_BLOB = `NOT EXISTS (SELECT 1 FROM blob_links l WHERE l.blob_id = b.id)
  AND (b.available = 1 OR NOT ${NAMED})`;

export type LinkPair = { readonly repository_id: number; readonly blob_id: number };

/** Drops the links among `pairs` that are unreferenced and old now: a push or mount meanwhile has won. */
export const dropLinks = defineCommand(
  'store.dropLinks',
  async (tx, { pairs, beforeMs }: { readonly pairs: readonly LinkPair[]; readonly beforeMs: number }) => {
    let dropped = 0;
    for (const { repository_id, blob_id } of pairs) {
      dropped += await tx.run(
        `DELETE FROM blob_links AS l WHERE l.repository_id = ? AND l.blob_id = ? AND l.linked_at_ms <= ? AND ${UNREFERENCED_LINK}`,
        [repository_id, blob_id, beforeMs],
      );
    }
    return dropped;
  },
);

/** Forgets the blobs among `ids` that nothing uses now; the digests of those that had a file. */
export const dropBlobs = defineCommand(
  'store.dropBlobs',
  async (tx, { ids, beforeMs }: { readonly ids: readonly number[]; readonly beforeMs: number }) => {
    const digests: string[] = [];
    for (const id of ids) {
      const unused = await tx.read<{ digest: string; available: number; named: number }>(
        `SELECT b.digest, b.available, ${NAMED} AS named FROM blobs b WHERE b.id = ? AND b.stored_at_ms <= ? AND ${UNUSED_BLOB}`,
        [id, beforeMs],
      );
      const [blob] = unused;
      if (!blob) continue;
      await tx.run(
        blob.named === 1 ? 'UPDATE blobs SET available = 0 WHERE id = ?' : 'DELETE FROM blobs WHERE id = ?',
        [id],
      );
      if (blob.available === 1) digests.push(blob.digest);
    }
    return digests;
  },
);

/**
 * Manifests of a repository (?1) that are old (?2) and that nothing leads to: no tag, no index, no subject that is
 * kept, no cache that keeps them by use, and nobody who was told that they are there (?3, digests as JSON).
 * What a kept manifest leads to is kept: children of an index, referrers of a subject, and so on.
 */
export const UNTAGGED_MANIFESTS = `
WITH RECURSIVE kept(manifest_id, digest) AS (
  SELECT l.manifest_id, m.digest FROM manifest_links l JOIN manifests m ON m.id = l.manifest_id
  WHERE l.repository_id = ?1 AND (l.pushed_at_ms > ?2 OR l.used_at_ms IS NOT NULL OR m.digest IN (SELECT value FROM json_each(?3)) OR EXISTS
    (SELECT 1 FROM tags t WHERE t.repository_id = l.repository_id AND t.manifest_id = l.manifest_id))
  UNION
  SELECT m.id, m.digest FROM kept k JOIN manifest_children c ON c.repository_id = ?1 AND c.manifest_id = k.manifest_id
  JOIN manifests m ON m.digest = c.child
  UNION
  SELECT m.id, m.digest FROM kept k JOIN referrers r ON r.repository_id = ?1 AND r.subject = k.digest
  JOIN manifests m ON m.digest = r.digest
)
SELECT l.manifest_id AS id, m.digest, m.size_bytes FROM manifest_links l JOIN manifests m ON m.id = l.manifest_id
WHERE l.repository_id = ?1 AND l.manifest_id NOT IN (SELECT manifest_id FROM kept)`;

export type DropUntaggedArgs = {
  readonly repositoryId: number;
  readonly beforeMs: number;
  /** What may go, as far as nothing leads to it now. */
  readonly candidates: readonly string[];
  /** What somebody was told to be there: it stays, and what it leads to. */
  readonly asked: readonly string[];
};

/** Takes a repository's untagged manifests out; their digests. */
export const dropUntagged = defineCommand('store.dropUntagged', async (tx, args: DropUntaggedArgs) => {
  const { repositoryId, beforeMs, asked } = args;
  const candidates = new Set(args.candidates);
  const rows = await tx.read<{ id: number; digest: string; size_bytes: number }>(UNTAGGED_MANIFESTS, [
    repositoryId,
    beforeMs,
    JSON.stringify(asked),
  ]);
  const dropped = rows.filter(({ digest }) => candidates.has(digest));
  for (const { id, digest } of dropped) await unlinkManifest(tx, { repository: repositoryId, manifest: id }, digest);
  return dropped.map((row) => row.digest as Digest);
});

/** Keeps the newest entries of these tags' history. */
export const trimHistory = defineCommand(
  'store.trimHistory',
  async (tx: Tx, { tags, keep }: { readonly tags: readonly HistoryTag[]; readonly keep: number }) => {
    for (const { repository_id, tag } of tags) {
      await tx.run(
        `DELETE FROM tag_history WHERE repository_id = ?1 AND tag = ?2 AND id <=
         (SELECT id FROM tag_history WHERE repository_id = ?1 AND tag = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)`,
        [repository_id, tag, keep],
      );
    }
  },
);
export type HistoryTag = { readonly repository_id: number; readonly tag: string };
