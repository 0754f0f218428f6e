import { Bounds, isRegistryError, parseDigestTag, type RepositoryName, type TagName } from '#core/oci';
import type { Call, Page } from '../types.ts';
import { causeOf, isPassing } from './error.ts';
import type { AskSource } from './source.ts';
import type { CopyEndpoint } from './types.ts';

export type TagListing = {
  readonly names: readonly TagName[];
  /** False when there are more tags than the pages that were read. */
  readonly complete: boolean;
  /** Whether the source knows the repository (by a tag). */
  readonly known: boolean;
};

export type ListedTags = TagListing & { readonly digestTags: ReadonlySet<TagName> };

export type TagLists = {
  of(repository: RepositoryName): Promise<ListedTags>;
  forget(repository: RepositoryName): void;
};

type Listing = {
  readonly source: CopyEndpoint;
  readonly call: Call;
  /** Pages that are read at most. */
  readonly pages: number;
  readonly ask: AskSource;
};

/** The tags of each repository, listed once. */
export function createTagLists(listing: Listing): TagLists {
  const lists = new Map<RepositoryName, Promise<ListedTags>>();
  return {
    of(repository) {
      const known = lists.get(repository);
      if (known !== undefined) return known;
      const asked = listing.ask({ repository, reference: '*' }, 'listing tags', () => listTags(repository, listing));
      lists.set(repository, asked);
      asked.catch((thrown) => isPassing(thrown) && lists.delete(repository));
      return asked;
    },
    forget: (repository) => {
      lists.delete(repository);
    },
  };
}

async function listTags(repository: RepositoryName, listing: Listing): Promise<ListedTags> {
  const names: TagName[] = [];
  let after: string | undefined;
  for (let page = 0; page < listing.pages; page++) {
    const found = await tagPage(repository, listing, after);
    if (!found) return listed([], { complete: true, known: false });
    for (const tag of found.items) names.push(tag);
    if (found.next === undefined) return listed(names, { complete: true, known: true });
    after = found.next;
  }
  return listed(names, { complete: false, known: true });
}

async function tagPage(
  repository: RepositoryName,
  { source, call }: Listing,
  after: string | undefined,
): Promise<Page<TagName> | undefined> {
  const options = { limit: Bounds.pageNames, ...(after === undefined ? {} : { after }) };
  try {
    return (await source.registry.tags(repository, options, call)).value;
  } catch (thrown) {
    // Some registries answer so for a repository that holds digests alone.
    if (isRegistryError(thrown, 'NAME_UNKNOWN') && after === undefined) return undefined;
    throw thrown;
  }
}

/** Whoever may not list may still ask for each tag by its name. */
export function unlisted(thrown: unknown): ListedTags {
  if (!isRegistryError(causeOf(thrown), 'UNSUPPORTED', 'DENIED', 'UNAUTHORIZED', 'NOT_FOUND')) throw thrown;
  return listed([], { complete: false, known: true });
}

function listed(names: readonly TagName[], listing: Omit<TagListing, 'names'>): ListedTags {
  return { names, ...listing, digestTags: new Set(names.filter((tag) => parseDigestTag(tag) !== undefined)) };
}
