import { join } from 'node:path';
import { algorithmOf, type Digest, hexOf } from '#core/oci';

/** Where things are in a store's folder. */
export type Layout = {
  readonly folder: string;
  readonly format: string;
  readonly lock: string;
  readonly catalog: string;
  readonly blobs: string;
  readonly uploads: string;
  /** Blobs on their way in from an upstream. */
  readonly parts: string;
  /** Blobs that nothing links any more, on their way out. */
  readonly trash: string;
  /** What a scrub found damaged, kept to be looked at. */
  readonly quarantine: string;
  /** Room for gc on a full disk. */
  readonly reserve: string;
  upload(id: string): string;
  /** `parts/<algorithm>-<digits>.<n>`: of a part's bytes the first `n` are on disk for good. */
  part(digest: Digest, durableBytes: number): string;
  /** `blobs/<algorithm>/<first two digits>/<digits>`: folders stay small, and the path tells the digest. */
  blob(digest: Digest): string;
  blobFolder(digest: Digest): string;
};

export function layoutOf(folder: string): Layout {
  const blobs = join(folder, 'blobs');
  const uploads = join(folder, 'uploads');
  const parts = join(folder, 'parts');
  const blobFolder = (digest: Digest) => join(blobs, algorithmOf(digest), hexOf(digest).slice(0, 2));
  return {
    folder,
    format: join(folder, 'format'),
    lock: join(folder, 'lock'),
    catalog: join(folder, 'catalog.db'),
    blobs,
    uploads,
    parts,
    trash: join(folder, 'trash'),
    quarantine: join(folder, 'quarantine'),
    reserve: join(folder, 'reserve'),
    upload: (id) => join(uploads, id),
    part: (digest, durableBytes) => join(parts, `${digest.replace(':', '-')}.${durableBytes}`),
    blob: (digest) => join(blobFolder(digest), hexOf(digest)),
    blobFolder,
  };
}
