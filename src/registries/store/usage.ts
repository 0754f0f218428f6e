import type { StoreContext } from './context.ts';

/** Sizes of a store. Bytes are of content, each stored once; the catalog itself is not in them. */
export type Usage = {
  readonly repositories: number;
  readonly manifests: number;
  readonly manifestBytes: number;
  readonly tags: number;
  readonly blobs: number;
  readonly blobBytes: number;
  readonly uploads: number;
};

/** Counts by walking indexes: some milliseconds for a hundred thousand tags, so ask by the minute, not by the request. */
export async function usageOf({ database, sessions }: StoreContext): Promise<Usage> {
  const rows = await database.read<typeof NOTHING>(
    `SELECT (SELECT count(*) FROM repositories) AS repositories,
      (SELECT count(*) FROM manifests WHERE available = 1) AS manifests,
      (SELECT coalesce(sum(size_bytes), 0) FROM manifests WHERE available = 1) AS manifestBytes,
      (SELECT count(*) FROM tags) AS tags,
      (SELECT count(*) FROM blobs WHERE available = 1) AS blobs,
      (SELECT coalesce(sum(size_bytes), 0) FROM blobs WHERE available = 1) AS blobBytes`,
  );
  const noted = await database.read<{ id: string }>('SELECT id FROM uploads');
  const uploads = sessions.size + noted.filter(({ id }) => !sessions.has(id)).length;
  return { ...(rows[0] ?? NOTHING), uploads };
}

const NOTHING = { repositories: 0, manifests: 0, manifestBytes: 0, tags: 0, blobs: 0, blobBytes: 0 };
