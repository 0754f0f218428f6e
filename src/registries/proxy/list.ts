import { isRegistryError, type RepositoryName, type TagName, tryParseTag } from '#core/oci';
import { type Call, type Lister, nameUnknown, type Page, type PageOptions, pageOf, type Served } from '#core/registry';
import { createSingleFlight, createSizedCache, type SingleFlight, type SizedCache, unlessAborted } from '#core/std';
import { type Asked, askUpstream, sharedCall } from './ask.ts';
import { noteAnswer, type Place, type ProxyContext, placeOf, servedHow } from './context.ts';
import { KEEPER, orUndefined } from './copy.ts';
import { freshError } from './flight/error.ts';
import { answerList, type Listing } from './list-flow.ts';

/** Asked for at once: as many as most registries give. */
const PAGE_NAMES = 1000;
/** Lists of up to ten thousand tags are read whole and kept; longer ones go through page by page, and are not kept. */
const WHOLE_LIST_PAGES = 10;
/** Repositories whose list was too long: some ten thousand. */
const LONG_BYTES = 2 * 1024 * 1024;
const LONG_ENTRY_BYTES = 200;

type Lists = {
  readonly context: ProxyContext;
  readonly flights: SingleFlight<Listing<TagName> | undefined>;
  readonly long: SizedCache<true>;
};

export function createLists(context: ProxyContext): Pick<Lister, 'repositories' | 'tags'> {
  const lists: Lists = { context, flights: createSingleFlight(), long: createSizedCache(LONG_BYTES) };
  return {
    async tags(repository, options, call) {
      const place = placeOf(context, 'tags', repository);
      try {
        const { answer, verdict } = await tagPage(lists, place, { options, call });
        const bytes = answer.value.items.reduce((sum, tag) => sum + tag.length, 0);
        const isAsked = verdict === 'miss' || verdict === 'refreshed';
        noteAnswer(context, place, { what: 'tags', verdict, bytes, savedBytes: isAsked ? 0 : bytes });
        return answer;
      } catch (thrown) {
        if (isRegistryError(thrown) && thrown.status === 404) {
          noteAnswer(context, place, { what: 'tags', verdict: 'negative', bytes: 0, savedBytes: 0 });
        }
        throw freshError(thrown);
      }
    },
    repositories: (options, call) => repositoriesHere(context, options, call),
  };
}

type Asking = { readonly options: PageOptions; readonly call: Call };

async function tagPage(lists: Lists, place: Place, { options, call }: Asking) {
  const { context, long } = lists;
  const whole = long.get(place.local) ? undefined : await unlessAborted(listing(lists, place, call), call.signal);
  if (!whole) return { answer: await passedOn(context, place, { options, call }), verdict: 'miss' as const };
  if (whole.revalidate) {
    const { signal: _, ...rest } = call;
    context.background.run(`listing the tags of ${place.local}`, () =>
      listing(lists, place, { ...rest, freshness: 'revalidate' }),
    );
  }
  return { answer: { value: pageOf(whole.items, options), served: whole.served }, verdict: whole.verdict };
}

/** The whole list in order, with what only we have; undefined: it is too long for that. */
function listing({ context, flights, long }: Lists, place: Place, call: Call): Promise<Listing<TagName> | undefined> {
  return flights.run(`${call.freshness} ${place.local}`, async () => {
    const found = await answerList<TagName>(
      context,
      { place, kind: 'tags', call },
      {
        what: 'tags',
        emptyIsNegative: false,
        ask: async () => {
          const asked = await wholeList(context, place, call);
          if (asked.kind !== 'answer') return asked;
          if (asked.value !== 'too long') return { ...asked, value: asked.value };
          long.set(place.local, true, LONG_ENTRY_BYTES);
          return undefined;
        },
        here: () => localTags(context, place.local),
        nothing: () => nameUnknown(place.local),
      },
    );
    return found && { ...found, items: [...new Set(found.items)].sort() };
  });
}

function wholeList(
  { upstreams }: ProxyContext,
  place: Place,
  call: Call,
): Promise<Asked<readonly TagName[] | 'too long'>> {
  return askUpstream<readonly TagName[] | 'too long'>(upstreams, place.upstream, async (reader, name) => {
    const items: TagName[] = [];
    let after: string | undefined;
    for (let page = 0; page < WHOLE_LIST_PAGES; page++) {
      const { value, served } = await reader.tags(name, pageAfter(after), sharedCall(call));
      items.push(...value.items);
      if (value.next === undefined) return { value: items, served };
      after = value.next;
    }
    return { value: 'too long', served: { by: name, warnings: [] } };
  });
}

function pageAfter(after: string | undefined): PageOptions {
  return { limit: PAGE_NAMES, ...(after === undefined ? {} : { after }) };
}

/** One page of a long list as the upstream gives it, with the tags that only we have in their places. */
async function passedOn(
  context: ProxyContext,
  place: Place,
  { options, call }: Asking,
): Promise<Served<Page<TagName>>> {
  const asked = await askUpstream(context.upstreams, place.upstream, (reader, name) =>
    reader.tags(name, options, call),
  );
  const local = await localTags(context, place.local);
  if (asked.kind === 'answer') {
    const { value, host, warnings } = asked;
    const items = mergedInPlace(value, local, options.after);
    const reason = 'the list is long: it is passed on page by page';
    return {
      value: { ...value, items },
      served: servedHow(context, { verdict: 'miss', reason, upstream: host, warnings }),
    };
  }
  if (local.length === 0) throw asked.kind === 'gone' ? nameUnknown(place.local) : asked.error;
  const warnings = [`only the tags that are here are listed: ${asked.error.message}`];
  const how = { verdict: 'stale-if-error', reason: 'the upstream did not list them', warnings } as const;
  return { value: pageOf(local, options), served: servedHow(context, how) };
}

/** Tags of ours between the ends of a page that is in order; a page that is not is left as it is. */
function mergedInPlace(
  { items, next }: Page<TagName>,
  local: readonly TagName[],
  after: string | undefined,
): TagName[] {
  const isCursor = [after, next].some((end) => end !== undefined && tryParseTag(end) === undefined);
  const isSorted = items.every((tag, index) => index === 0 || (items[index - 1] ?? '') < tag);
  if (isCursor || !isSorted) return [...items];
  const last = next === undefined ? undefined : items.at(-1);
  const ours = local.filter((tag) => (after === undefined || tag > after) && (last === undefined || tag <= last));
  return [...new Set([...items, ...ours])].sort();
}

/** Every tag that is here. */
async function localTags({ store }: ProxyContext, repository: RepositoryName): Promise<TagName[]> {
  const items: TagName[] = [];
  let after: string | undefined;
  do {
    const page = await orUndefined(store.tags(repository, pageAfter(after), KEEPER));
    items.push(...(page?.value.items ?? []));
    after = page?.value.next;
  } while (after !== undefined);
  return items;
}

/** What is here: upstreams have no list of all, or one that nobody could read to its end. */
async function repositoriesHere(context: ProxyContext, { after, limit }: PageOptions, call: Call) {
  const shelf = `${context.namespace}/`;
  // An upstream with a prefix can be one repository, which has the namespace's own name.
  const isFirstPage = after === undefined || after < context.namespace;
  const own = isFirstPage && (await orUndefined(context.store.tags(context.namespace, { limit: 1 }, call)));
  const items: RepositoryName[] = own ? [context.namespace] : [];
  let cursor: string | undefined = after !== undefined && after > shelf ? after : shelf;
  while (cursor !== undefined && items.length <= limit) {
    const { value } = await context.store.repositories({ after: cursor, limit: PAGE_NAMES }, call);
    const ours = value.items.filter((name) => name.startsWith(shelf));
    items.push(...ours.filter((name) => context.findPlace(name).refusal === undefined));
    cursor = ours.length < value.items.length ? undefined : value.next;
  }
  const warnings = [`only what is here of ${context.host} is listed`];
  return { value: pageOf(items, { limit }), served: { by: context.namespace, warnings } };
}
