import type { RepositoryName } from '#core/oci';
import { nameUnknown } from '#core/registry';
import { repositoryId } from './catalog/repository.ts';
import type { StoreContext } from './context.ts';

/** What an entry of the cache of ids costs beside the name. */
const ENTRY_OVERHEAD_BYTES = 100;

/** The catalog's number of a repository, kept for good once known: rows are never removed. */
export async function findRepository(context: StoreContext, name: RepositoryName): Promise<number | undefined> {
  const known = context.repositoryIds.get(name);
  if (known !== undefined) return known;
  const id = await repositoryId(context.database, name);
  if (id !== undefined) context.repositoryIds.set(name, id, name.length + ENTRY_OVERHEAD_BYTES);
  return id;
}

/** Throws NAME_UNKNOWN. */
export async function repositoryOf(context: StoreContext, name: RepositoryName): Promise<number> {
  const id = await findRepository(context, name);
  if (id === undefined) throw nameUnknown(name);
  return id;
}
