import { join } from 'node:path';
import { type Digest, tryParseDigest } from '#core/oci';
import { isAvailable } from './catalog/read.ts';
import type { StoreContext } from './context.ts';

export type FileCount = { readonly files: number; readonly bytes: number };
type Orphan = { readonly digest: Digest; readonly sizeBytes: number };

/** Files of blobs that the catalog does not have, last written before `beforeMs`: left by a crash, or dropped just now. */
export async function countOrphans(context: StoreContext, beforeMs: number): Promise<FileCount> {
  let files = 0;
  let bytes = 0;
  for await (const orphan of orphansOf(context, beforeMs)) {
    files++;
    bytes += orphan.sizeBytes;
  }
  return { files, bytes };
}

/** Moves them away, each in its digest's turn: a push that puts the same file in place comes before or after. */
export async function trashOrphans(context: StoreContext, beforeMs: number, signal?: AbortSignal): Promise<void> {
  const { fs, layout, database } = context;
  for await (const { digest } of orphansOf(context, beforeMs)) {
    signal?.throwIfAborted();
    await context.blobTurns.run(digest, async () => {
      if (await isAvailable(database, digest)) return;
      // Another run may have been quicker.
      if (!(await fs.stat(layout.blob(digest)))) return;
      await fs.rename(layout.blob(digest), join(layout.trash, digest.replace(':', '-')));
    });
  }
}

/** Removing a large file takes a while; in the trash it is in nobody's way. */
export async function emptyTrash({ fs, layout }: StoreContext): Promise<FileCount> {
  let files = 0;
  let bytes = 0;
  for (const name of await fs.list(layout.trash)) {
    const path = join(layout.trash, name);
    const facts = await fs.stat(path);
    if (!(await fs.unlink(path))) continue;
    files++;
    bytes += facts?.sizeBytes ?? 0;
  }
  return { files, bytes };
}

async function* orphansOf(context: StoreContext, beforeMs: number): AsyncGenerator<Orphan> {
  for (const algorithm of ['sha256', 'sha512']) {
    const folder = join(context.layout.blobs, algorithm);
    for (const shard of await context.fs.list(folder)) yield* orphansIn(context, { algorithm, shard, beforeMs });
  }
}

/** One shard is a 256th of all blobs: its names and the catalog's are compared in memory. */
async function* orphansIn(
  context: StoreContext,
  { algorithm, shard, beforeMs }: { readonly algorithm: string; readonly shard: string; readonly beforeMs: number },
): AsyncGenerator<Orphan> {
  const { fs, layout, database } = context;
  const names = await fs.list(join(layout.blobs, algorithm, shard));
  const rows = await database.read<{ digest: string }>(
    'SELECT digest FROM blobs WHERE digest >= ? AND digest < ? AND available = 1',
    [`${algorithm}:${shard}`, `${algorithm}:${shard}g`],
  );
  const known = new Set(rows.map((row) => row.digest));
  for (const name of names) {
    const digest = tryParseDigest(`${algorithm}:${name}`);
    if (!digest || known.has(digest)) continue;
    const facts = await fs.stat(layout.blob(digest));
    if (facts && Math.floor(facts.modifiedMs) <= beforeMs) yield { digest, sizeBytes: facts.sizeBytes };
  }
}
