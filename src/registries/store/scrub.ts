import { join } from 'node:path';
import { algorithmOf, createHasher, type Digest, digestOf } from '#core/oci';
import { chunksOf, systemCodeOf } from '#core/std';
import { type Holder, loseBlob, MAX_NAMES_REPORTED } from './catalog/blob.ts';
import { loseManifest } from './catalog/manifest.ts';
import { isAvailable, readManifestBytes } from './catalog/read.ts';
import type { StoreContext } from './context.ts';

export type ScrubOptions = {
  /** How fast to read. Default: what leaves most of a disk to pulls. */
  readonly bytesPerSecond?: number;
  readonly signal?: AbortSignal;
  /** Told after each blob; manifests are small and come last. */
  readonly onProgress?: (done: { readonly blobs: number; readonly blobBytes: number }) => void;
};

export type Damage = {
  readonly kind: 'blob' | 'manifest';
  readonly digest: Digest;
  readonly reason: 'missing' | 'wrong-size' | 'wrong-digest' | 'unreadable';
  /** Repositories that miss it now: it must be pushed there again. The first twenty. */
  readonly repositories: readonly string[];
  /** Caches that fetch it again when somebody asks. */
  readonly caches: readonly string[];
};
export type ScrubReport = {
  readonly blobs: number;
  readonly blobBytes: number;
  readonly manifests: number;
  /** What somebody has to push again. */
  readonly damaged: readonly Damage[];
  /** What only caches held: it is forgotten, and fetched again by itself. */
  readonly forgotten: readonly Damage[];
};

/** A hard disk reads twice to three times as much; a scrub is in no hurry. */
const DEFAULT_BYTES_PER_SECOND = 64 * 1024 * 1024;
const PAGE_ROWS = 200;

type Throttle = (bytes: number) => Promise<void>;
type BlobRow = { readonly id: number; readonly digest: Digest; readonly size_bytes: number };

export async function scrub(context: StoreContext, options: ScrubOptions): Promise<ScrubReport> {
  const throttle = createThrottle(context, options);
  const damaged: Damage[] = [];
  const report = { blobs: 0, blobBytes: 0, manifests: 0 };
  for await (const row of rowsOf<BlobRow>(context, 'blobs')) {
    options.signal?.throwIfAborted();
    report.blobs++;
    report.blobBytes += row.size_bytes;
    const damage = await scrubBlob(context, row, throttle);
    if (damage) damaged.push(damage);
    options.onProgress?.({ blobs: report.blobs, blobBytes: report.blobBytes });
  }
  for await (const row of rowsOf<BlobRow>(context, 'manifests')) {
    options.signal?.throwIfAborted();
    report.manifests++;
    const damage = await scrubManifest(context, row.digest, throttle);
    if (damage) damaged.push(damage);
  }
  const isForgotten = ({ repositories, caches }: Damage) => repositories.length === 0 && caches.length > 0;
  return {
    ...report,
    damaged: damaged.filter((damage) => !isForgotten(damage)),
    forgotten: damaged.filter(isForgotten),
  };
}

async function* rowsOf<R extends BlobRow>(context: StoreContext, table: 'blobs' | 'manifests'): AsyncGenerator<R> {
  for (let after = 0; ; ) {
    const rows = await context.database.read<R>(
      `SELECT id, digest, size_bytes FROM ${table} WHERE available = 1 AND id > ? ORDER BY id LIMIT ?`,
      [after, PAGE_ROWS],
    );
    yield* rows;
    const last = rows.at(-1);
    if (!last) return;
    after = last.id;
  }
}

function createThrottle({ clock }: StoreContext, { bytesPerSecond = DEFAULT_BYTES_PER_SECOND, signal }: ScrubOptions) {
  const startMs = clock.now();
  let readBytes = 0;
  return async (bytes: number) => {
    readBytes += bytes;
    const aheadMs = (readBytes / bytesPerSecond) * 1000 - (clock.now() - startMs);
    if (aheadMs > 1) await clock.sleep(aheadMs, signal);
  };
}

async function scrubBlob(context: StoreContext, row: BlobRow, throttle: Throttle): Promise<Damage | undefined> {
  if ((await inspect(context, row, throttle)) === undefined) return undefined;
  // In the digest's turn no push replaces the file and no gc takes it: look again before judging.
  return await context.blobTurns.run(row.digest, async () => {
    if (!(await isAvailable(context.database, row.digest))) return undefined;
    const reason = await inspect(context, row, throttle);
    if (reason === undefined) return undefined;
    const holders = await context.database.write(loseBlob, { digest: row.digest });
    if (reason !== 'missing') await quarantineFile(context, row.digest);
    return { kind: 'blob', digest: row.digest, reason, ...namesOf(holders) } as const;
  });
}

async function inspect(
  { fs, layout }: StoreContext,
  row: BlobRow,
  throttle: Throttle,
): Promise<Damage['reason'] | undefined> {
  const path = layout.blob(row.digest);
  const facts = await fs.stat(path);
  if (!facts) return 'missing';
  if (facts.sizeBytes !== row.size_bytes) return 'wrong-size';
  const hasher = createHasher(algorithmOf(row.digest));
  try {
    for await (const chunk of chunksOf(fs.read(path))) {
      hasher.update(chunk);
      await throttle(chunk.byteLength);
    }
  } catch (thrown) {
    // Sectors that cannot be read are damage; anything else is a failure of the scrub.
    if (systemCodeOf(thrown) === 'EIO') return 'unreadable';
    if (systemCodeOf(thrown) === 'ENOENT') return 'missing';
    throw thrown;
  }
  return hasher.digest() === row.digest ? undefined : 'wrong-digest';
}

async function quarantineFile({ fs, layout, clock }: StoreContext, digest: Digest): Promise<void> {
  await fs.rename(layout.blob(digest), quarantinePath(layout.quarantine, digest, clock.now()));
  await fs.fsyncDir(layout.quarantine);
}

function quarantinePath(folder: string, digest: Digest, nowMs: number): string {
  return join(folder, `${digest.replace(':', '-')}.${nowMs}`);
}

async function scrubManifest(context: StoreContext, digest: Digest, throttle: Throttle): Promise<Damage | undefined> {
  const bytes = await readManifestBytes(context.database, digest);
  if (!bytes || digestOf(bytes, algorithmOf(digest)) === digest) {
    await throttle(bytes?.byteLength ?? 0);
    return undefined;
  }
  const file = await context.fs.openFile(quarantinePath(context.layout.quarantine, digest, context.clock.now()));
  try {
    await file.write([bytes], 0);
    await file.datasync();
  } finally {
    await file.close();
  }
  const holders = await context.database.write(loseManifest, { digest });
  context.cache.clear();
  return { kind: 'manifest', digest, reason: 'wrong-digest', ...namesOf(holders.slice(0, MAX_NAMES_REPORTED)) };
}

function namesOf(holders: readonly Holder[]) {
  const names = (isCache: number) => holders.filter((holder) => holder.isCache === isCache).map(({ name }) => name);
  return { repositories: names(0), caches: names(1) };
}
