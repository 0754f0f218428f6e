import type { RepositoryName } from '#core/oci';
import type { CacheUsage } from '#core/registry';
import {
  countTags,
  type HeldRow,
  type RepositoryRow,
  readBlobsHeld,
  readManifestsHeld,
  readNamespace,
} from './catalog/space-read.ts';
import type { StoreContext } from './context.ts';

/** Rows looked at in one go: some milliseconds, between which requests are served. */
const PAGE_ROWS = 1000;
/** Repositories have some hundred rows of their own to look at. */
const REPOSITORIES_PAGE = 10;

/** A blob that no manifest of its repository names. */
export type LooseBlob = {
  readonly repository: number;
  readonly name: RepositoryName;
  readonly blob: number;
  readonly usedAtMs: number;
};

/** Walks a namespace's rows. In memory: a number for each content, which is counted once. */
export async function cacheUsage(
  context: StoreContext,
  namespace: RepositoryName,
  onLoose: (blob: LooseBlob) => void = () => {},
): Promise<CacheUsage> {
  const usage = { repositories: 0, tags: 0 };
  const manifests = createTally();
  const blobs = createTally();
  for await (const { id: repository, name } of repositoriesOf(context, namespace)) {
    const rowsBefore = manifests.rows + blobs.rows;
    for await (const row of manifestsOf(context, repository)) manifests.add(row);
    for await (const row of blobsOf(context, repository)) {
      blobs.add(row);
      if (row.loose === 1) onLoose({ repository, name, blob: row.id, usedAtMs: row.linked_at_ms });
    }
    if (manifests.rows + blobs.rows > rowsBefore) usage.repositories++;
    usage.tags += await countTags(context.database, repository);
  }
  return { ...usage, bytes: manifests.bytes + blobs.bytes, manifests: manifests.count, blobs: blobs.count };
}

function createTally() {
  const seen = new Set<number>();
  const tally = {
    /** Looked at; counted are those that are here, each once. */
    rows: 0,
    count: 0,
    bytes: 0,
    add({ id, size_bytes, available }: HeldRow) {
      tally.rows++;
      if (available === 0 || seen.has(id)) return;
      seen.add(id);
      tally.count++;
      tally.bytes += size_bytes;
    },
  };
  return tally;
}

function manifestsOf(context: StoreContext, repository: number) {
  return rowsOf(context, (after) => readManifestsHeld(context.database, { repository, after, limit: PAGE_ROWS }));
}

function blobsOf(context: StoreContext, repository: number) {
  return rowsOf(context, (after) => readBlobsHeld(context.database, { repository, after, limit: PAGE_ROWS }));
}

async function* repositoriesOf({ database, clock }: StoreContext, namespace: string): AsyncGenerator<RepositoryRow> {
  for (let after = ''; ; ) {
    const rows = await readNamespace(database, { namespace, after, limit: REPOSITORIES_PAGE });
    yield* rows;
    const last = rows.at(-1);
    if (!last) return;
    after = last.name;
    await clock.sleep(0);
  }
}

async function* rowsOf<R extends HeldRow>(
  { clock }: StoreContext,
  read: (after: number) => Promise<R[]>,
): AsyncGenerator<R> {
  for (let after = 0; ; ) {
    const rows = await read(after);
    yield* rows;
    const last = rows.at(-1);
    if (!last || rows.length < PAGE_ROWS) return;
    after = last.id;
    await clock.sleep(0);
  }
}
