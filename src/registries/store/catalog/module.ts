import type { SqlModule } from '#core/sql';
import { linkBlobs, loseBlob, mountBlob, unlinkBlob } from './blob.ts';
import { evictUnit } from './evict.ts';
import { dropBlobs, dropLinks, dropUntagged, trimHistory } from './gc.ts';
import { keepTag } from './keep.ts';
import { deleteManifest, loseManifest, putManifest } from './manifest.ts';
import { STORE_MIGRATIONS } from './schema.ts';
import { deleteTag } from './tag.ts';
import { beginUpload, endUpload } from './upload.ts';
import { noteUses } from './use.ts';

/** The store's tables and commands: for `openSqlite`, and for the writer thread's `runWriter`. */
export const storeModule: SqlModule = {
  name: 'store',
  migrations: STORE_MIGRATIONS,
  commands: [
    linkBlobs,
    mountBlob,
    unlinkBlob,
    loseBlob,
    putManifest,
    deleteManifest,
    loseManifest,
    deleteTag,
    beginUpload,
    endUpload,
    dropLinks,
    dropBlobs,
    dropUntagged,
    trimHistory,
    keepTag,
    noteUses,
    evictUnit,
  ],
};
