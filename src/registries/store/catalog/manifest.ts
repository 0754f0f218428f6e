import { defineCommand, SqlError, type Tx } from '#core/sql';
import { type Holder, namedBlob } from './blob.ts';
import { ensureRepository, onlyRow, repositoryId } from './repository.ts';
import { setTag } from './tag.ts';
import { useManifest } from './use.ts';

export type PutManifestArgs = {
  readonly repository: string;
  readonly digest: string;
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  /** All blobs it names; the required ones must be linked in the repository. */
  readonly blobs: readonly { readonly digest: string; readonly sizeBytes: number; readonly required: boolean }[];
  readonly children: readonly string[];
  /** Whether the children too must be there. */
  readonly wholeIndex: boolean;
  readonly subject?: string;
  /** The entry for the subject's referrers list, as JSON. */
  readonly referrer?: { readonly artifactType: string; readonly descriptor: string };
  readonly tags: readonly string[];
  readonly nowMs: number;
  readonly principal: string;
  /** A cache keeps it: whether or not its content is here, and until it is evicted. */
  readonly isKept: boolean;
};

/** What the error lists of the missing; a manifest may name a thousand. */
const MAX_MISSING_LISTED = 20;

/** Stores a manifest with its edges and moves the tags, or throws MANIFEST_BLOB_UNKNOWN with the missing digests. */
export const putManifest = defineCommand('store.putManifest', async (tx, args: PutManifestArgs): Promise<void> => {
  const repository = await ensureRepository(tx, args.repository, args.nowMs);
  const missing = args.isKept ? [] : await findMissing(tx, repository, args);
  if (missing.length > 0) {
    throw new SqlError('MANIFEST_BLOB_UNKNOWN', 'content that the manifest needs is not in the repository', {
      detail: { missing: missing.slice(0, MAX_MISSING_LISTED), missingCount: missing.length },
    });
  }
  const manifest = await storeContent(tx, args);
  await linkManifest(tx, { repository, manifest }, args);
  if (args.isKept) await useManifest(tx, { repository, manifest, usedAtMs: args.nowMs });
  for (const tag of args.tags) {
    await setTag(tx, { repository, tag, manifest, digest: args.digest, nowMs: args.nowMs, principal: args.principal });
  }
});

async function findMissing(tx: Tx, repository: number, args: PutManifestArgs): Promise<string[]> {
  const missing: string[] = [];
  for (const { digest, required, sizeBytes } of args.blobs) {
    if (!required) continue;
    const actualBytes = await sizeOfBlob(tx, repository, digest);
    if (actualBytes === undefined) missing.push(digest);
    else if (actualBytes !== sizeBytes) {
      const detail = { digest, size: sizeBytes, actualSize: actualBytes };
      throw new SqlError('MANIFEST_INVALID', 'the manifest says another size of a blob than it has', { detail });
    }
  }
  for (const child of args.wholeIndex ? args.children : []) {
    if (!(await hasManifest(tx, repository, child))) missing.push(child);
  }
  return missing;
}

async function sizeOfBlob(tx: Tx, repository: number, digest: string): Promise<number | undefined> {
  const rows = await tx.read<{ bytes: number }>(
    `SELECT b.size_bytes AS bytes FROM blobs b JOIN blob_links l ON l.blob_id = b.id
     WHERE b.digest = ? AND b.available = 1 AND l.repository_id = ?`,
    [digest, repository],
  );
  return rows[0]?.bytes;
}

async function hasManifest(tx: Tx, repository: number, digest: string): Promise<boolean> {
  const rows = await tx.read(
    `SELECT 1 AS found FROM manifests m JOIN manifest_links l ON l.manifest_id = m.id
     WHERE m.digest = ? AND m.available = 1 AND l.repository_id = ?`,
    [digest, repository],
  );
  return rows.length > 0;
}

async function storeContent(tx: Tx, { digest, bytes }: PutManifestArgs): Promise<number> {
  const rows = await tx.read<{ id: number; available: number }>(
    'SELECT id, available FROM manifests WHERE digest = ?',
    [digest],
  );
  const [known] = rows;
  if (!known) {
    const made = await tx.read<{ id: number }>(
      'INSERT INTO manifests (digest, size_bytes, available, bytes) VALUES (?, ?, 1, ?) RETURNING id',
      [digest, bytes.byteLength, bytes],
    );
    return onlyRow(made).id;
  }
  if (known.available === 0) {
    await tx.run('UPDATE manifests SET available = 1, size_bytes = ?, bytes = ? WHERE id = ?', [
      bytes.byteLength,
      bytes,
      known.id,
    ]);
  }
  return known.id;
}

type Ids = { readonly repository: number; readonly manifest: number };

async function linkManifest(tx: Tx, { repository, manifest }: Ids, args: PutManifestArgs): Promise<void> {
  await tx.run(
    `INSERT INTO manifest_links (repository_id, manifest_id, media_type, subject, pushed_at_ms, used_at_ms)
     VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (repository_id, manifest_id) DO UPDATE
     SET media_type = excluded.media_type, pushed_at_ms = excluded.pushed_at_ms, used_at_ms = excluded.used_at_ms`,
    [repository, manifest, args.mediaType, args.subject ?? null, args.nowMs, args.isKept ? args.nowMs : null],
  );
  for (const { digest, sizeBytes } of args.blobs) {
    await tx.run(
      'INSERT INTO manifest_blobs (repository_id, blob_id, manifest_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
      [repository, await namedBlob(tx, digest, sizeBytes), manifest],
    );
  }
  for (const child of args.children) {
    await tx.run(
      'INSERT INTO manifest_children (repository_id, manifest_id, child) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
      [repository, manifest, child],
    );
  }
  if (args.subject !== undefined && args.referrer !== undefined) {
    await tx.run(
      `INSERT INTO referrers (repository_id, subject, digest, artifact_type, descriptor) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (repository_id, subject, digest)
       DO UPDATE SET artifact_type = excluded.artifact_type, descriptor = excluded.descriptor`,
      [repository, args.subject, args.digest, args.referrer.artifactType, args.referrer.descriptor],
    );
  }
}

export type DeleteManifestArgs = {
  readonly repository: string;
  readonly digest: string;
  readonly nowMs: number;
  readonly principal: string;
};

/** Deletes a manifest from a repository with its tags, which it answers; undefined when it is not there. */
export const deleteManifest = defineCommand(
  'store.deleteManifest',
  async (tx, args: DeleteManifestArgs): Promise<string[] | undefined> => {
    const repository = await repositoryId(tx, args.repository);
    const rows = await tx.read<{ id: number }>(
      `SELECT m.id FROM manifests m JOIN manifest_links l ON l.manifest_id = m.id
       WHERE m.digest = ? AND m.available = 1 AND l.repository_id = ?`,
      [args.digest, repository ?? null],
    );
    const [manifest] = rows;
    if (repository === undefined || !manifest) return undefined;
    const tags = await tx.read<{ name: string }>('SELECT name FROM tags WHERE repository_id = ? AND manifest_id = ?', [
      repository,
      manifest.id,
    ]);
    for (const { name } of tags) {
      await setTag(tx, { repository, tag: name, manifest: undefined, nowMs: args.nowMs, principal: args.principal });
    }
    await unlinkManifest(tx, { repository, manifest: manifest.id }, args.digest);
    return tags.map((tag) => tag.name);
  },
);

/** Takes a manifest that has no tag (any more) out of a repository; its content goes with the last link. */
export async function unlinkManifest(tx: Tx, { repository, manifest }: Ids, digest: string): Promise<void> {
  const ids = [repository, manifest];
  await tx.run('DELETE FROM referrers WHERE repository_id = ? AND digest = ?', [repository, digest]);
  await tx.run('DELETE FROM manifest_blobs WHERE repository_id = ? AND manifest_id = ?', ids);
  await tx.run('DELETE FROM manifest_children WHERE repository_id = ? AND manifest_id = ?', ids);
  await tx.run('DELETE FROM manifest_links WHERE repository_id = ? AND manifest_id = ?', ids);
  await tx.run(
    'DELETE FROM manifests WHERE id = ? AND NOT EXISTS (SELECT 1 FROM manifest_links WHERE manifest_id = ?)',
    [manifest, manifest],
  );
}

/** Damaged: unknown everywhere until it is pushed or fetched again, which brings back its tags. */
export const loseManifest = defineCommand('store.loseManifest', async (tx, { digest }: { readonly digest: string }) => {
  const rows = await tx.read<Holder>(
    `SELECT r.name, l.used_at_ms IS NOT NULL AS isCache FROM repositories r JOIN manifest_links l ON l.repository_id = r.id
     WHERE l.manifest_id = (SELECT id FROM manifests WHERE digest = ?) ORDER BY isCache, r.name`,
    [digest],
  );
  await tx.run('UPDATE manifests SET available = 0, bytes = NULL WHERE digest = ?', [digest]);
  return rows;
});
