import type { Migration } from '#core/sql';

/**
 * Manifests live in the catalog (4 MiB at most, usually a few thousand bytes): a push of one is a single commit.
 * Blobs live in files. `available = 0` is content that is known of and not here: named by a manifest only,
 * or found damaged; pushing it again makes it available wherever it was linked.
 * Edges and links are kept by repository, so that each question stays within one repository's rows.
 */
export const STORE_MIGRATIONS: readonly Migration[] = [
  {
    sqlite: `
CREATE TABLE repositories (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_at_ms INTEGER NOT NULL);
CREATE TABLE manifests (
  id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, size_bytes INTEGER NOT NULL,
  available INTEGER NOT NULL, bytes BLOB
);
CREATE TABLE manifest_links (
  repository_id INTEGER NOT NULL, manifest_id INTEGER NOT NULL, media_type TEXT NOT NULL, subject TEXT,
  pushed_at_ms INTEGER NOT NULL, PRIMARY KEY (repository_id, manifest_id)
) WITHOUT ROWID;
CREATE INDEX manifest_links_manifest ON manifest_links (manifest_id);
CREATE TABLE tags (
  repository_id INTEGER NOT NULL, name TEXT NOT NULL, manifest_id INTEGER NOT NULL, set_at_ms INTEGER NOT NULL,
  PRIMARY KEY (repository_id, name)
) WITHOUT ROWID;
CREATE INDEX tags_manifest ON tags (repository_id, manifest_id);
CREATE TABLE tag_history (
  id INTEGER PRIMARY KEY, repository_id INTEGER NOT NULL, tag TEXT NOT NULL, digest TEXT,
  at_ms INTEGER NOT NULL, principal TEXT NOT NULL
);
CREATE INDEX tag_history_tag ON tag_history (repository_id, tag, id);
CREATE TABLE blobs (
  id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, size_bytes INTEGER NOT NULL,
  available INTEGER NOT NULL, stored_at_ms INTEGER NOT NULL
);
CREATE TABLE blob_links (
  repository_id INTEGER NOT NULL, blob_id INTEGER NOT NULL, linked_at_ms INTEGER NOT NULL,
  PRIMARY KEY (repository_id, blob_id)
) WITHOUT ROWID;
CREATE INDEX blob_links_blob ON blob_links (blob_id);
CREATE TABLE manifest_blobs (
  repository_id INTEGER NOT NULL, blob_id INTEGER NOT NULL, manifest_id INTEGER NOT NULL,
  PRIMARY KEY (repository_id, blob_id, manifest_id)
) WITHOUT ROWID;
CREATE INDEX manifest_blobs_manifest ON manifest_blobs (repository_id, manifest_id);
CREATE INDEX manifest_blobs_blob ON manifest_blobs (blob_id);
CREATE TABLE manifest_children (
  repository_id INTEGER NOT NULL, manifest_id INTEGER NOT NULL, child TEXT NOT NULL,
  PRIMARY KEY (repository_id, manifest_id, child)
) WITHOUT ROWID;
CREATE TABLE referrers (
  repository_id INTEGER NOT NULL, subject TEXT NOT NULL, digest TEXT NOT NULL, artifact_type TEXT NOT NULL,
  descriptor TEXT NOT NULL, PRIMARY KEY (repository_id, subject, digest)
) WITHOUT ROWID;
CREATE INDEX referrers_digest ON referrers (repository_id, digest);
CREATE TABLE uploads (
  id TEXT PRIMARY KEY, repository TEXT NOT NULL, principal TEXT NOT NULL, algorithm TEXT NOT NULL,
  started_at_ms INTEGER NOT NULL
) WITHOUT ROWID;
`,
  },
  {
    // Of a manifest that a cache keeps: when it, or what hangs on it, was last used. What was pushed has none.
    sqlite: `
ALTER TABLE manifest_links ADD COLUMN used_at_ms INTEGER;
CREATE INDEX manifest_links_used ON manifest_links (used_at_ms, repository_id, manifest_id)
  WHERE used_at_ms IS NOT NULL;
CREATE INDEX manifest_children_child ON manifest_children (repository_id, child);
`,
  },
];
