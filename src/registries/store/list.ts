import { Bounds, type Descriptor, parseDescriptor } from '#core/oci';
import { type Extras, type Lister, type Page, type PageOptions, type ReferrersPage, servedBy } from '#core/registry';
import {
  type ReferrersRange,
  readReferrerSizes,
  readReferrers,
  readRepositories,
  readTagDigests,
  readTags,
} from './catalog/read.ts';
import type { StoreContext } from './context.ts';
import { findRepository, repositoryOf } from './repository.ts';

/** Clients read lists of this many bytes; what is left waits for the next page. Room for the JSON around it. */
const MAX_REFERRERS_PAGE_BYTES = Bounds.listBodyBytes - 64 * 1024;

export function listMethods(context: StoreContext): Lister {
  const { name, database } = context;
  return {
    async repositories(options) {
      const names = await pageBy(options, (after, limit) => readRepositories(database, after, limit), identity);
      return servedBy(name, names);
    },
    async tags(repository, options) {
      const id = await repositoryOf(context, repository);
      const read = (after: string, limit: number) => readTags(database, { repository: id, after, limit });
      return servedBy(name, await pageBy(options, read, identity));
    },
    async referrers(repository, digest, { artifactTypes = [], after = '' }) {
      const id = await findRepository(context, repository);
      const filtered = artifactTypes.length > 0;
      if (id === undefined) return servedBy(name, { items: [], filtered });
      const range = { repository: id, subject: digest, after, artifactTypes, limit: Bounds.pageNames + 1 };
      return servedBy(name, { ...(await referrersPage(context, range)), filtered });
    },
  };
}

export function listExtras(context: StoreContext): Extras {
  return {
    async tagDigests(repository, options) {
      const id = await repositoryOf(context, repository);
      const read = (after: string, limit: number) => readTagDigests(context.database, { repository: id, after, limit });
      return await pageBy(options, read, (entry) => entry.tag);
    },
    capabilities: () => ({ referrers: true, sparseIndex: context.sparseIndexes }),
  };
}

const identity = (name: string) => name;

/** Reads one row more than asked for, to know whether a page follows. */
async function pageBy<T>(
  { after = '', limit }: PageOptions,
  read: (after: string, limit: number) => Promise<T[]>,
  nameOf: (item: T) => string,
): Promise<Page<T>> {
  const rows = await read(after, limit + 1);
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return last === undefined || rows.length <= limit ? { items } : { items, next: nameOf(last) };
}

async function referrersPage(context: StoreContext, range: ReferrersRange): Promise<Omit<ReferrersPage, 'filtered'>> {
  const sizes = await readReferrerSizes(context.database, range);
  const count = howManyFit(sizes.map((row) => row.size));
  if (count === 0) return { items: [] };
  const texts = await readReferrers(context.database, { ...range, limit: count });
  const items = texts.map(descriptorFrom);
  const last = items.at(-1);
  return last === undefined || count >= sizes.length ? { items } : { items, next: last.digest };
}

/** At least one, so that a list always goes on. */
function howManyFit(sizes: readonly number[]): number {
  let totalBytes = 0;
  for (const [index, size] of sizes.entries()) {
    totalBytes += size;
    if (index >= Bounds.pageNames || (index > 0 && totalBytes > MAX_REFERRERS_PAGE_BYTES)) return index;
  }
  return sizes.length;
}

function descriptorFrom(text: string): Descriptor {
  return parseDescriptor(JSON.parse(text), 'a referrer in the catalog');
}
