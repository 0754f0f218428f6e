import type { Descriptor, Digest, RepositoryName, TagName } from '#core/oci';
import type { Queries } from '#core/sql';

/** Questions to the catalog. Each is answered by index, and a list by one range of it. */

export async function readByDigest(queries: Queries, repository: number, digest: Digest) {
  const rows = await queries.read<{ size_bytes: number; media_type: string }>(
    `SELECT m.size_bytes, l.media_type FROM manifests m
     JOIN manifest_links l ON l.repository_id = ? AND l.manifest_id = m.id
     WHERE m.digest = ? AND m.available = 1`,
    [repository, digest],
  );
  const [row] = rows;
  return row && { mediaType: row.media_type, digest, size: row.size_bytes };
}

export async function readByTag(queries: Queries, repository: number, tag: TagName): Promise<Descriptor | undefined> {
  const rows = await queries.read<{ digest: string; size_bytes: number; media_type: string }>(
    `SELECT m.digest, m.size_bytes, l.media_type FROM tags t
     JOIN manifest_links l ON l.repository_id = t.repository_id AND l.manifest_id = t.manifest_id
     JOIN manifests m ON m.id = t.manifest_id
     WHERE t.repository_id = ? AND t.name = ? AND m.available = 1`,
    [repository, tag],
  );
  const [row] = rows;
  return row && { mediaType: row.media_type, digest: row.digest as Digest, size: row.size_bytes };
}

export async function readManifestBytes(queries: Queries, digest: string): Promise<Uint8Array | undefined> {
  const rows = await queries.read<{ bytes: Uint8Array }>(
    'SELECT bytes FROM manifests WHERE digest = ? AND available = 1',
    [digest],
  );
  return rows[0]?.bytes;
}

/** Bytes of a blob, where it is linked in this repository and available. */
export async function readBlobSize(queries: Queries, repository: number, digest: Digest): Promise<number | undefined> {
  const rows = await queries.read<{ size_bytes: number }>(
    `SELECT b.size_bytes FROM blobs b JOIN blob_links l ON l.repository_id = ? AND l.blob_id = b.id
     WHERE b.digest = ? AND b.available = 1`,
    [repository, digest],
  );
  return rows[0]?.size_bytes;
}

export async function isAvailable(queries: Queries, digest: string): Promise<boolean> {
  const rows = await queries.read('SELECT 1 AS found FROM blobs WHERE digest = ? AND available = 1', [digest]);
  return rows.length > 0;
}

/** Repositories that have a blob, in the order in which they began. */
export async function readHolders(queries: Queries, digest: Digest, limit: number): Promise<RepositoryName[]> {
  const rows = await queries.read<{ name: RepositoryName }>(
    `SELECT r.name FROM blobs b JOIN blob_links l ON l.blob_id = b.id JOIN repositories r ON r.id = l.repository_id
     WHERE b.digest = ? AND b.available = 1 ORDER BY l.repository_id LIMIT ?`,
    [digest, limit],
  );
  return rows.map((row) => row.name);
}

export async function readRepositories(queries: Queries, after: string, limit: number) {
  const rows = await queries.read<{ name: RepositoryName }>(
    'SELECT name FROM repositories WHERE name > ? ORDER BY name LIMIT ?',
    [after, limit],
  );
  return rows.map((row) => row.name);
}

export type TagsRange = { readonly repository: number; readonly after: string; readonly limit: number };

export async function readTags(queries: Queries, { repository, after, limit }: TagsRange): Promise<TagName[]> {
  const rows = await queries.read<{ name: TagName }>(
    'SELECT name FROM tags WHERE repository_id = ? AND name > ? ORDER BY name LIMIT ?',
    [repository, after, limit],
  );
  return rows.map((row) => row.name);
}

export async function readTagDigests(queries: Queries, { repository, after, limit }: TagsRange) {
  return await queries.read<{ tag: TagName; digest: Digest }>(
    `SELECT t.name AS tag, m.digest FROM tags t JOIN manifests m ON m.id = t.manifest_id
     WHERE t.repository_id = ? AND t.name > ? AND m.available = 1 ORDER BY t.name LIMIT ?`,
    [repository, after, limit],
  );
}

export type ReferrersRange = {
  readonly repository: number;
  readonly subject: Digest;
  readonly after: string;
  readonly artifactTypes: readonly string[];
  readonly limit: number;
};

/** The length in characters of each entry of a page, to tell how many fit. */
export async function readReferrerSizes(queries: Queries, range: ReferrersRange) {
  return await queries.read<{ digest: string; size: number }>(
    `SELECT digest, length(descriptor) AS size FROM referrers ${whereReferrers(range)}`,
    referrersParams(range),
  );
}

export async function readReferrers(queries: Queries, range: ReferrersRange): Promise<string[]> {
  const rows = await queries.read<{ descriptor: string }>(
    `SELECT descriptor FROM referrers ${whereReferrers(range)}`,
    referrersParams(range),
  );
  return rows.map((row) => row.descriptor);
}

function whereReferrers({ artifactTypes }: ReferrersRange): string {
  const types = artifactTypes.map(() => '?').join(', ');
  const filter = artifactTypes.length === 0 ? '' : ` AND artifact_type IN (${types})`;
  return `WHERE repository_id = ? AND subject = ? AND digest > ?${filter} ORDER BY digest LIMIT ?`;
}

function referrersParams({ repository, subject, after, artifactTypes, limit }: ReferrersRange) {
  return [repository, subject, after, ...artifactTypes, limit];
}
