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
export async function usageOf({ database }: StoreContext): Promise<Usage> {
  const rows = await database.read<Usage>(
    `SELECT (SELECT count(*) FROM repositories) AS repositories,
      (SELECT count(*) FROM manifests WHERE available = 1) AS manifests,
      (SELECT coalesce(sum(size_bytes), 0) FROM manifests WHERE available = 1) AS manifestBytes,
      (SELECT count(*) FROM tags) AS tags,
      (SELECT count(*) FROM blobs WHERE available = 1) AS blobs,
      (SELECT coalesce(sum(size_bytes), 0) FROM blobs WHERE available = 1) AS blobBytes,
      (SELECT count(*) FROM uploads) AS uploads`,
  );
  return rows[0] ?? { repositories: 0, manifests: 0, manifestBytes: 0, tags: 0, blobs: 0, blobBytes: 0, uploads: 0 };
}
