import { defineCommand, type Tx } from '#core/sql';
import { ensureRepository, onlyRow } from './repository.ts';

export type LinkBlobsArgs = {
  readonly repositories: readonly string[];
  readonly digest: string;
  readonly sizeBytes: number;
  readonly nowMs: number;
  /** Whether the caller has just put the verified file in its place; else the blob must be available. */
  readonly fileInPlace: boolean;
  /** The upload that ends with this link. */
  readonly uploadId?: string;
};

/** Links a blob in repositories, all or none. False: it is not available (any more), the caller must bring the file. */
export const linkBlobs = defineCommand('store.linkBlobs', async (tx, args: LinkBlobsArgs): Promise<boolean> => {
  const blobId = args.fileInPlace ? await makeAvailable(tx, args) : await availableBlob(tx, args.digest);
  if (blobId === undefined) return false;
  for (const name of args.repositories) {
    await link(tx, { repositoryId: await ensureRepository(tx, name, args.nowMs), blobId, nowMs: args.nowMs });
  }
  if (args.uploadId !== undefined) await tx.run('DELETE FROM uploads WHERE id = ?', [args.uploadId]);
  return true;
});

export type MountBlobArgs = {
  readonly from: string;
  readonly repository: string;
  readonly digest: string;
  readonly nowMs: number;
};

/** Links a blob that another repository (or the same one) has; its size, or undefined when that has it not. */
export const mountBlob = defineCommand(
  'store.mountBlob',
  async (tx, { from, repository, digest, nowMs }: MountBlobArgs): Promise<number | undefined> => {
    const rows = await tx.read<{ id: number; size_bytes: number }>(
      `SELECT b.id, b.size_bytes FROM blobs b JOIN blob_links l ON l.blob_id = b.id
       JOIN repositories r ON r.id = l.repository_id
       WHERE b.digest = ? AND b.available = 1 AND r.name = ?`,
      [digest, from],
    );
    const [blob] = rows;
    if (!blob) return undefined;
    const repositoryId = await ensureRepository(tx, repository, nowMs);
    await link(tx, { repositoryId, blobId: blob.id, nowMs });
    return blob.size_bytes;
  },
);

/** Unlinks a blob from one repository; whether it was linked. */
export const unlinkBlob = defineCommand(
  'store.unlinkBlob',
  async (tx, { repository, digest }: { readonly repository: string; readonly digest: string }) => {
    const changed = await tx.run(
      `DELETE FROM blob_links WHERE repository_id = (SELECT id FROM repositories WHERE name = ?)
       AND blob_id = (SELECT id FROM blobs WHERE digest = ? AND available = 1)`,
      [repository, digest],
    );
    return changed > 0;
  },
);

/** A repository that held what is damaged; a cache fetches it again by itself. */
export type Holder = { readonly name: string; readonly isCache: number };

/** Damaged or lost: unknown everywhere until it is pushed or fetched again, which brings back every link. */
export const loseBlob = defineCommand('store.loseBlob', async (tx, { digest }: { readonly digest: string }) => {
  const namers = `SELECT 1 FROM manifest_blobs e JOIN manifest_links m
    ON m.repository_id = e.repository_id AND m.manifest_id = e.manifest_id
    WHERE e.repository_id = l.repository_id AND e.blob_id = l.blob_id AND m.used_at_ms`;
  const rows = await tx.read<Holder>(
    `SELECT r.name, EXISTS (${namers} IS NOT NULL) AND NOT EXISTS (${namers} IS NULL) AS isCache
     FROM repositories r JOIN blob_links l ON l.repository_id = r.id
     WHERE l.blob_id = (SELECT id FROM blobs WHERE digest = ?) ORDER BY isCache, r.name LIMIT ${MAX_NAMES_REPORTED}`,
    [digest],
  );
  await tx.run('UPDATE blobs SET available = 0 WHERE digest = ?', [digest]);
  return rows;
});
/** A base layer may be in thousands of repositories; a report names some. */
export const MAX_NAMES_REPORTED = 20;

async function availableBlob(tx: Tx, digest: string): Promise<number | undefined> {
  const rows = await tx.read<{ id: number }>('SELECT id FROM blobs WHERE digest = ? AND available = 1', [digest]);
  return rows[0]?.id;
}

async function makeAvailable(tx: Tx, { digest, sizeBytes, nowMs }: LinkBlobsArgs): Promise<number> {
  const rows = await tx.read<{ id: number }>(
    `INSERT INTO blobs (digest, size_bytes, available, stored_at_ms) VALUES (?, ?, 1, ?)
     ON CONFLICT (digest) DO UPDATE SET available = 1, size_bytes = excluded.size_bytes, stored_at_ms = excluded.stored_at_ms
     RETURNING id`,
    [digest, sizeBytes, nowMs],
  );
  return onlyRow(rows).id;
}

/** Linking again renews the link's age: whoever pushed or mounted it is about to use it. */
async function link(
  tx: Tx,
  { repositoryId, blobId, nowMs }: { readonly repositoryId: number; readonly blobId: number; readonly nowMs: number },
): Promise<void> {
  await tx.run(
    `INSERT INTO blob_links (repository_id, blob_id, linked_at_ms) VALUES (?, ?, ?)
     ON CONFLICT (repository_id, blob_id) DO UPDATE SET linked_at_ms = excluded.linked_at_ms`,
    [repositoryId, blobId, nowMs],
  );
}

/** The id of a blob that a manifest names: a row for one that is not here keeps the edge until it comes. */
export async function namedBlob(tx: Tx, digest: string, sizeBytes: number): Promise<number> {
  const rows = await tx.read<{ id: number }>('SELECT id FROM blobs WHERE digest = ?', [digest]);
  if (rows[0]) return rows[0].id;
  const made = await tx.read<{ id: number }>(
    'INSERT INTO blobs (digest, size_bytes, available, stored_at_ms) VALUES (?, ?, 0, 0) RETURNING id',
    [digest, sizeBytes],
  );
  return onlyRow(made).id;
}
