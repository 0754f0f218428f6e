import type { Digest } from '#core/oci';
import { defineCommand, type Tx } from '#core/sql';
import { unlinkManifest } from './manifest.ts';
import { setTag } from './tag.ts';

/** Names within a namespace (?1): its own, and all below it. `0` follows `/` in the order of bytes. */
const WITHIN = (name: string, at: string) => `(${name} = ${at} OR (${name} > ${at} || '/' AND ${name} < ${at} || '0'))`;

/** Whether a manifest (`m`, linked by `l`) hangs on another one of its repository: an index, or its subject. */
export const HANGS = `(EXISTS (SELECT 1 FROM manifest_children c WHERE c.repository_id = l.repository_id AND c.child = m.digest)
  OR EXISTS (SELECT 1 FROM manifests s JOIN manifest_links sl ON sl.manifest_id = s.id
    WHERE s.digest = l.subject AND sl.repository_id = l.repository_id))`;

/** A manifest (?2) of a repository (?1) and all that hangs on it. */
export const MEMBERS = `
WITH RECURSIVE member(id, digest) AS (
  SELECT id, digest FROM manifests WHERE id = ?2
  UNION
  SELECT m.id, m.digest FROM member u JOIN manifest_children c ON c.repository_id = ?1 AND c.manifest_id = u.id
  JOIN manifests m ON m.digest = c.child
  UNION
  SELECT m.id, m.digest FROM member u JOIN referrers r ON r.repository_id = ?1 AND r.subject = u.digest
  JOIN manifests m ON m.digest = r.digest
)`;

export type EvictArgs = {
  readonly namespace: string;
  readonly repository: number;
  /** A manifest that hangs on nothing, or a blob that no manifest names. */
  readonly unit: { readonly manifest: number } | { readonly blob: number };
  /** When it was used as far as the caller knows: a use since then has won. */
  readonly usedAtMs: number;
  readonly nowMs: number;
};

/** What left the namespace: bytes and counts of content that it holds in no repository any more. */
export type EvictedUnit = {
  readonly bytes: number;
  readonly manifests: readonly Digest[];
  readonly manifestCount: number;
  readonly tags: readonly string[];
  readonly blobCount: number;
  /** Blobs that no repository of the store holds any more: their files can go. */
  readonly unlinked: readonly Digest[];
};

type Outcome = {
  bytes: number;
  manifests: Digest[];
  manifestCount: number;
  tags: string[];
  blobCount: number;
  unlinked: Digest[];
};

/** Takes what hangs together out of its repository, in one step. */
export const evictUnit = defineCommand('store.evictUnit', async (tx, args: EvictArgs): Promise<EvictedUnit> => {
  const outcome: Outcome = { bytes: 0, manifests: [], manifestCount: 0, tags: [], blobCount: 0, unlinked: [] };
  if ('blob' in args.unit) {
    if (await isOldLink(tx, args, args.unit.blob)) await unlinkBlob(tx, args, { blob: args.unit.blob, outcome });
    return outcome;
  }
  if (!(await isOldRoot(tx, args, args.unit.manifest))) return outcome;
  const blobs = await unlinkMembers(tx, args, { root: args.unit.manifest, outcome });
  for (const blob of blobs) await unlinkBlob(tx, args, { blob, outcome });
  return outcome;
});

async function isOldLink(tx: Tx, { repository, usedAtMs }: EvictArgs, blob: number): Promise<boolean> {
  const rows = await tx.read(
    'SELECT 1 AS found FROM blob_links WHERE repository_id = ? AND blob_id = ? AND linked_at_ms <= ?',
    [repository, blob, usedAtMs],
  );
  return rows.length > 0;
}

async function isOldRoot(tx: Tx, { repository, usedAtMs }: EvictArgs, manifest: number): Promise<boolean> {
  const rows = await tx.read(
    `SELECT 1 AS found FROM manifest_links l JOIN manifests m ON m.id = l.manifest_id
     WHERE l.repository_id = ? AND l.manifest_id = ? AND l.used_at_ms <= ? AND NOT ${HANGS}`,
    [repository, manifest, usedAtMs],
  );
  return rows.length > 0;
}

type Member = { readonly id: number; readonly digest: Digest; readonly size_bytes: number; readonly available: number };

/** The blobs that they named. What hangs on something else too stays, and what was pushed. */
async function unlinkMembers(
  tx: Tx,
  args: EvictArgs,
  { root, outcome }: { readonly root: number; readonly outcome: Outcome },
): Promise<Set<number>> {
  const { repository } = args;
  const blobs = new Set<number>();
  let left = await tx.read<Member>(
    `${MEMBERS} SELECT m.id, m.digest, m.size_bytes, m.available FROM manifests m
     JOIN manifest_links l ON l.repository_id = ?1 AND l.manifest_id = m.id
     WHERE m.id IN (SELECT id FROM member) AND l.used_at_ms IS NOT NULL`,
    [repository, root],
  );
  // Each round takes what hangs on nothing any more; usually two do: the index, then all that hung on it.
  for (let before = 0; left.length !== before; ) {
    before = left.length;
    const staying: Member[] = [];
    for (const member of left) {
      if (await hangs(tx, repository, member.id)) staying.push(member);
      else await unlinkMember(tx, args, { member, blobs, outcome });
    }
    left = staying;
  }
  return blobs;
}

async function hangs(tx: Tx, repository: number, manifest: number): Promise<boolean> {
  const rows = await tx.read(
    `SELECT 1 AS found FROM manifest_links l JOIN manifests m ON m.id = l.manifest_id
     WHERE l.repository_id = ? AND l.manifest_id = ? AND ${HANGS}`,
    [repository, manifest],
  );
  return rows.length > 0;
}

type Leaving = { readonly member: Member; readonly blobs: Set<number>; readonly outcome: Outcome };

async function unlinkMember(tx: Tx, args: EvictArgs, { member, blobs, outcome }: Leaving): Promise<void> {
  const { repository, namespace, nowMs } = args;
  const ids = [repository, member.id];
  const named = await tx.read<{ blob: number }>(
    'SELECT blob_id AS blob FROM manifest_blobs WHERE repository_id = ? AND manifest_id = ?',
    ids,
  );
  for (const { blob } of named) blobs.add(blob);
  const tags = await tx.read<{ name: string }>(
    'SELECT name FROM tags WHERE repository_id = ? AND manifest_id = ?',
    ids,
  );
  for (const { name: tag } of tags) {
    await setTag(tx, { repository, tag, manifest: undefined, nowMs, principal: EVICTION });
    outcome.tags.push(tag);
  }
  outcome.manifests.push(member.digest);
  const isHeldElsewhere = await isWithin(tx, namespace, { links: 'manifest_links', column: 'manifest_id', ids });
  await unlinkManifest(tx, { repository, manifest: member.id }, member.digest);
  if (isHeldElsewhere || member.available === 0) return;
  outcome.manifestCount++;
  outcome.bytes += member.size_bytes;
}
/** Who removed a tag, in its history. */
const EVICTION = 'system:eviction';

type Link = {
  readonly links: 'manifest_links' | 'blob_links';
  readonly column: string;
  /** The repository that does not count, and what is held. */
  readonly ids: readonly number[];
};

/** Whether another repository of the namespace holds it. */
async function isWithin(tx: Tx, namespace: string, { links, column, ids }: Link): Promise<boolean> {
  const rows = await tx.read(
    `SELECT 1 AS found FROM ${links} o JOIN repositories r ON r.id = o.repository_id
     WHERE o.repository_id <> ?1 AND o.${column} = ?2 AND ${WITHIN('r.name', '?3')} LIMIT 1`,
    [...ids, namespace],
  );
  return rows.length > 0;
}

/** Unless a manifest of the repository names it still. */
async function unlinkBlob(
  tx: Tx,
  { repository, namespace }: EvictArgs,
  { blob, outcome }: { readonly blob: number; readonly outcome: Outcome },
): Promise<void> {
  const named = 'SELECT 1 FROM manifest_blobs e WHERE e.repository_id = ?1 AND e.blob_id = ?2';
  const ids = [repository, blob];
  const wasLinked = await tx.run(
    `DELETE FROM blob_links WHERE repository_id = ?1 AND blob_id = ?2 AND NOT EXISTS (${named})`,
    ids,
  );
  const rows = await tx.read<{ digest: Digest; size_bytes: number; available: number; linked: number; named: number }>(
    `SELECT digest, size_bytes, available, EXISTS (SELECT 1 FROM blob_links WHERE blob_id = ?1) AS linked,
       EXISTS (SELECT 1 FROM manifest_blobs WHERE blob_id = ?1) AS named FROM blobs WHERE id = ?1`,
    [blob],
  );
  const [row] = rows;
  if (!row) return;
  if (row.linked === 0 && row.available === 1) {
    await tx.run('UPDATE blobs SET available = 0 WHERE id = ?', [blob]);
    outcome.unlinked.push(row.digest);
  }
  if (row.linked === 0 && row.named === 0) await tx.run('DELETE FROM blobs WHERE id = ?', [blob]);
  if (wasLinked === 0 || row.available === 0) return;
  if (await isWithin(tx, namespace, { links: 'blob_links', column: 'blob_id', ids })) return;
  outcome.blobCount++;
  outcome.bytes += row.size_bytes;
}
