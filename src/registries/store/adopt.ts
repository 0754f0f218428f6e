import { dirname, join } from 'node:path';
import { type Descriptor, type Digest, MediaType, type RepositoryName } from '#core/oci';
import { linkBlobs } from './catalog/blob.ts';
import { isAvailable } from './catalog/read.ts';
import { inBackground, type StoreContext } from './context.ts';
import type { WriteFile } from './fs.ts';

export type Arrival = {
  readonly repositories: readonly RepositoryName[];
  /** The verified digest of the file. */
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly file: WriteFile;
  readonly path: string;
  /** The upload's row in the catalog, when it has one. */
  readonly uploadId?: string;
};

/**
 * Makes a received and verified file a blob of repositories. When this resolves it is on disk, in this order:
 * the content (datasync), its name (rename, folder), the catalog's word (commit). A crash between two of them
 * leaves an upload to sweep or a file that nothing links, never a link without its file.
 */
export function adopt(context: StoreContext, arrival: Arrival): Promise<Descriptor> {
  const { digest, sizeBytes } = arrival;
  return context.blobTurns.run(digest, async () => {
    if (!(await linkStored(context, arrival))) {
      await placeFile(context, arrival);
      await context.database.write(linkBlobs, linkArgs(context, arrival, true));
    }
    return { mediaType: MediaType.octets, digest, size: sizeBytes };
  });
}

/** Content is stored once: when it is here already the new copy is dropped, and only the link is new. */
async function linkStored(context: StoreContext, arrival: Arrival): Promise<boolean> {
  const { fs, layout, database } = context;
  if (!(await isAvailable(database, arrival.digest))) return false;
  const facts = await fs.stat(layout.blob(arrival.digest));
  // Whatever happened to the file, the one at hand is whole: it takes its place.
  if (facts?.sizeBytes !== arrival.sizeBytes) return false;
  if (!(await database.write(linkBlobs, linkArgs(context, arrival, false)))) return false;
  inBackground(context, 'removing a second copy of a blob', fs.unlink(arrival.path));
  return true;
}

function linkArgs(context: StoreContext, arrival: Arrival, fileInPlace: boolean) {
  const { repositories, digest, sizeBytes, uploadId } = arrival;
  const nowMs = context.clock.now();
  return { repositories, digest, sizeBytes, nowMs, fileInPlace, ...(uploadId === undefined ? {} : { uploadId }) };
}

async function placeFile(context: StoreContext, { digest, file, path }: Arrival): Promise<void> {
  const { fs, layout } = context;
  const folder = layout.blobFolder(digest);
  // Two waits for the disk that do not need each other.
  const folderReady = makeDurableFolder(context, folder);
  // Its failure is met below, once nothing uses the file any more.
  folderReady.catch(() => {});
  await file.datasync();
  await folderReady;
  await fs.rename(path, layout.blob(digest));
  await fs.fsyncDir(folder);
}

/** Folders that exist when the store opens are durable from then on. */
export async function noteDurableFolders({ fs, layout, durableFolders }: StoreContext): Promise<void> {
  for (const algorithm of ['sha256', 'sha512']) {
    const parent = join(layout.blobs, algorithm);
    const shards = await fs.list(parent);
    await fs.fsyncDir(parent);
    for (const shard of shards) durableFolders.add(join(parent, shard));
  }
}

/** A folder's own name must be on disk before a file in it counts as stored: asked once. */
async function makeDurableFolder(context: StoreContext, folder: string): Promise<void> {
  if (context.durableFolders.has(folder)) return;
  await context.fs.mkdir(folder);
  await context.fs.fsyncDir(dirname(folder));
  context.durableFolders.add(folder);
}
