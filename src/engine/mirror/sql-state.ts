import type { Digest, RepositoryName, TagName } from '#core/oci';
import type { Companions } from '#core/registry';
import { type Database, defineCommand, type SqlModule, type Tx } from '#core/sql';
import type { BlobHome, ImageRecord, MirrorState, SourceFact } from './state.ts';

const TABLES = `
CREATE TABLE mirror_image (
  destination TEXT NOT NULL, repository TEXT NOT NULL, tag TEXT NOT NULL,
  source TEXT NOT NULL, digest TEXT NOT NULL, platforms TEXT NOT NULL,
  manifests TEXT NOT NULL, companions TEXT NOT NULL, verified_at_ms BIGINT NOT NULL,
  PRIMARY KEY (destination, repository, tag)
);
CREATE TABLE mirror_source (
  source TEXT NOT NULL, repository TEXT NOT NULL, referrers INTEGER NOT NULL, learned_at_ms BIGINT NOT NULL,
  PRIMARY KEY (source, repository)
);
CREATE TABLE mirror_blob (
  destination TEXT NOT NULL, digest TEXT NOT NULL, repository TEXT NOT NULL,
  PRIMARY KEY (destination, digest)
)`;

const saveImages = defineCommand('mirror.saveImages', async (tx: Tx, records: readonly ImageRecord[]) => {
  for (const record of records) {
    await tx.run(
      `INSERT INTO mirror_image
         (destination, repository, tag, source, digest, platforms, manifests, companions, verified_at_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (destination, repository, tag) DO UPDATE SET
         source = excluded.source, digest = excluded.digest, platforms = excluded.platforms,
         manifests = excluded.manifests, companions = excluded.companions, verified_at_ms = excluded.verified_at_ms`,
      [
        record.destination,
        record.repository,
        record.tag,
        record.source,
        record.digest,
        record.platforms,
        JSON.stringify(record.manifests),
        JSON.stringify(record.companions),
        record.verifiedAtMs,
      ],
    );
  }
});

const saveSourceFact = defineCommand('mirror.saveSourceFact', async (tx: Tx, fact: SourceFact) => {
  await tx.run(
    `INSERT INTO mirror_source (source, repository, referrers, learned_at_ms) VALUES (?, ?, ?, ?)
     ON CONFLICT (source, repository) DO UPDATE SET
       referrers = excluded.referrers, learned_at_ms = excluded.learned_at_ms`,
    [fact.source, fact.repository, fact.referrers ? 1 : 0, fact.learnedAtMs],
  );
});

const saveBlobHomes = defineCommand('mirror.saveBlobHomes', async (tx: Tx, homes: readonly BlobHome[]) => {
  for (const { destination, digest, repository } of homes) {
    await tx.run(
      `INSERT INTO mirror_blob (destination, digest, repository) VALUES (?, ?, ?)
       ON CONFLICT (destination, digest) DO UPDATE SET repository = excluded.repository`,
      [destination, digest, repository],
    );
  }
});

/** Tables and commands: given to whoever opens the database, and to its writer. */
export const mirrorSql: SqlModule = {
  name: 'mirror',
  migrations: [TABLES],
  commands: [saveImages, saveSourceFact, saveBlobHomes],
};

type ImageRow = {
  readonly source: string;
  readonly digest: string;
  readonly platforms: string;
  readonly manifests: string;
  readonly companions: string;
  readonly verified_at_ms: number;
};

/** The records of runs in a database. Throws SqlError. */
export function sqlState(database: Database): MirrorState {
  return {
    async image(key) {
      const { destination, repository, tag } = key;
      const [row] = await database.read<ImageRow>(
        `SELECT source, digest, platforms, manifests, companions, verified_at_ms
           FROM mirror_image WHERE destination = ? AND repository = ? AND tag = ?`,
        [destination, repository, tag],
      );
      return row && toRecord({ destination, repository, tag }, row);
    },
    async saveImages(records) {
      await database.write(saveImages, records);
    },
    async sourceFact(source, repository) {
      const [row] = await database.read<{ readonly referrers: number; readonly learned_at_ms: number }>(
        'SELECT referrers, learned_at_ms FROM mirror_source WHERE source = ? AND repository = ?',
        [source, repository],
      );
      return row && { source, repository, referrers: row.referrers === 1, learnedAtMs: row.learned_at_ms };
    },
    async saveSourceFact(fact) {
      await database.write(saveSourceFact, fact);
    },
    async blobHome(destination, digest) {
      const [row] = await database.read<{ readonly repository: string }>(
        'SELECT repository FROM mirror_blob WHERE destination = ? AND digest = ?',
        [destination, digest],
      );
      return row?.repository as RepositoryName | undefined;
    },
    async saveBlobHomes(homes) {
      await database.write(saveBlobHomes, homes);
    },
  };
}

type Key = { readonly destination: string; readonly repository: RepositoryName; readonly tag: TagName };

/** Rows are what `saveImages` wrote from checked values. */
function toRecord(key: Key, row: ImageRow): ImageRecord {
  return {
    ...key,
    source: row.source,
    digest: row.digest as Digest,
    platforms: row.platforms,
    manifests: JSON.parse(row.manifests) as Digest[],
    companions: JSON.parse(row.companions) as Companions,
    verifiedAtMs: row.verified_at_ms,
  };
}
