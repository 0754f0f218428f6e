import { type Descriptor, type Digest, isRegistryError, RegistryError, type RepositoryName } from '#core/oci';
import { createSingleFlight, createSizedCache } from '#core/std';
import type { Call } from '../types.ts';
import { causeOf } from './error.ts';
import type { AskSource } from './source.ts';
import type { CopyEndpoint, CopyKnowledge } from './types.ts';

type List = readonly Descriptor[];

/** Lists of referrers held because several tags stand for one digest; sized by a guess of what an entry takes. */
const LISTS_CACHE_BYTES = 8 * 1024 * 1024;
const LIST_ENTRY_BYTES = 512;
/** Pages of one list: 1,000 descriptors a page are 100,000 signatures of one image. */
const REFERRERS_PAGES = 100;

export type ReferrerLists = {
  /** Undefined where the source has no referrers API. */
  of(repository: RepositoryName, digest: Digest): Promise<List | undefined>;
};

type Listing = {
  readonly source: CopyEndpoint;
  readonly call: Call;
  readonly known: CopyKnowledge;
  readonly ask: AskSource;
};

/** What the referrers API lists, asked once for each digest, and not at all once it is known to be absent. */
export function createReferrerLists(listing: Listing): ReferrerLists {
  const held = createSizedCache<{ readonly list: List | undefined }>(LISTS_CACHE_BYTES);
  const asking = createSingleFlight<List | undefined>();
  const probe = createProbe(listing);
  return {
    async of(repository, digest) {
      const key = `${repository}@${digest}`;
      const known = held.get(key);
      if (known) return known.list;
      const question = () =>
        listing.ask({ repository, reference: digest }, 'listing referrers', () =>
          listReferrers(listing, repository, digest),
        );
      const list = await asking.run(key, () => probe(repository, question));
      held.set(key, { list }, LIST_ENTRY_BYTES * (1 + (list?.length ?? 0)));
      return list;
    },
  };
}

async function listReferrers({ source, call }: Listing, repository: RepositoryName, digest: Digest): Promise<List> {
  const found: Descriptor[] = [];
  let after: string | undefined;
  for (let page = 0; page < REFERRERS_PAGES; page++) {
    const options = after === undefined ? {} : { after };
    const { value } = await source.registry.referrers(repository, digest, options, call);
    for (const descriptor of value.items) found.push(descriptor);
    if (value.next === undefined) return found;
    after = value.next;
  }
  throw new RegistryError('UPSTREAM_INVALID', `the list of referrers goes on after ${REFERRERS_PAGES} pages`);
}

type Question = () => Promise<List>;

/**
 * Finds out by the first question whether a repository's registry keeps referrers lists, and asks no more
 * where it does not: while that question is open, others about the same repository wait for its outcome.
 */
function createProbe({ source, known }: Listing) {
  const present = new Map<RepositoryName, boolean>();
  const probing = new Map<RepositoryName, Promise<unknown>>();

  const learn = async (repository: RepositoryName, found: boolean) => {
    if (present.get(repository) === found) return;
    present.set(repository, found);
    await known.learnedSourceReferrers?.(repository, found);
  };
  const ask = async (repository: RepositoryName, question: Question): Promise<List | undefined> => {
    try {
      const list = await question();
      // A client may have answered from the fallback tag: then there is nothing to ask for the next digest.
      const found = source.registry.extras.capabilities?.(repository).referrers !== false;
      await learn(repository, found);
      return found ? list : undefined;
    } catch (thrown) {
      if (!isRegistryError(causeOf(thrown), 'UNSUPPORTED', 'NOT_FOUND')) throw thrown;
      await learn(repository, false);
      return undefined;
    }
  };
  const probe = async (repository: RepositoryName, question: Question) => {
    const before = await known.sourceReferrers?.(repository);
    if (before !== undefined) present.set(repository, before);
    return before === false ? undefined : await ask(repository, question);
  };

  return async (repository: RepositoryName, question: Question): Promise<List | undefined> => {
    // The outcome of somebody else's probe is what is waited for; its failure is theirs. Nothing is awaited
    // between finding none and beginning one: two at once would both find none.
    const others = probing.get(repository);
    if (others !== undefined) await others.catch(() => {});
    const state = present.get(repository);
    if (state !== undefined) return state ? await ask(repository, question) : undefined;
    const asked = probe(repository, question);
    probing.set(repository, asked);
    try {
      return await asked;
    } finally {
      if (probing.get(repository) === asked) probing.delete(repository);
    }
  };
}
