import { defineCommand, type Tx } from '#core/sql';
import { repositoryId } from './repository.ts';

/**
 * Uses in a repository (?1) of a manifest (?2) and of all that it hangs on: indexes that name it, its subject.
 * So what hangs on nothing was used when the latest of all that hangs on it was. What was pushed has no time.
 */
const USE_MANIFEST = `
WITH RECURSIVE up(id, digest) AS (
  SELECT id, digest FROM manifests WHERE id = ?2
  UNION
  SELECT p.id, p.digest FROM up u JOIN manifest_children c ON c.repository_id = ?1 AND c.child = u.digest
  JOIN manifests p ON p.id = c.manifest_id
  UNION
  SELECT s.id, s.digest FROM up u JOIN manifest_links l ON l.repository_id = ?1 AND l.manifest_id = u.id
  JOIN manifests s ON s.digest = l.subject
)
UPDATE manifest_links SET used_at_ms = ?3
WHERE repository_id = ?1 AND manifest_id IN (SELECT id FROM up) AND used_at_ms < ?3`;

export type UseManifest = { readonly repository: number; readonly manifest: number; readonly usedAtMs: number };

export async function useManifest(tx: Tx, { repository, manifest, usedAtMs }: UseManifest): Promise<void> {
  await tx.run(USE_MANIFEST, [repository, manifest, usedAtMs]);
}

export type UseFact = { readonly repository: string; readonly digest: string; readonly usedAtMs: number };

/** Notes when things were last used; of what is not here (any more), nothing. */
export const noteUses = defineCommand('store.noteUses', async (tx, { uses }: { readonly uses: readonly UseFact[] }) => {
  for (const { repository: name, digest, usedAtMs } of uses) {
    const repository = await repositoryId(tx, name);
    if (repository === undefined) continue;
    const manifests = await tx.read<{ id: number }>('SELECT id FROM manifests WHERE digest = ?', [digest]);
    const [manifest] = manifests;
    if (manifest) await useManifest(tx, { repository, manifest: manifest.id, usedAtMs });
    else await useBlob(tx, { repository, digest, usedAtMs });
  }
});

type UseBlob = { readonly repository: number; readonly digest: string; readonly usedAtMs: number };

/** A blob that one manifest alone names stands for it (an image's config); a base layer is in many, and says nothing. */
async function useBlob(tx: Tx, { repository, digest, usedAtMs }: UseBlob): Promise<void> {
  const namers = await tx.read<{ manifest: number }>(
    `SELECT e.manifest_id AS manifest FROM manifest_blobs e JOIN blobs b ON b.id = e.blob_id
     WHERE b.digest = ? AND e.repository_id = ? LIMIT 2`,
    [digest, repository],
  );
  const [namer] = namers;
  if (namer && namers.length === 1) await useManifest(tx, { repository, manifest: namer.manifest, usedAtMs });
  if (namer) return;
  await tx.run(
    `UPDATE blob_links SET linked_at_ms = ? WHERE repository_id = ?
     AND blob_id = (SELECT id FROM blobs WHERE digest = ?) AND linked_at_ms < ?`,
    [usedAtMs, repository, digest, usedAtMs],
  );
}
