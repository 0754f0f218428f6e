import { isRegistryError, type RepositoryName, type TagName, tryParseTag } from '#core/oci';
import { type Call, nameUnknown, type Page, type PageOptions, pageOf, type Served } from '#core/registry';
import { createSingleFlight, createSizedCache } from '#core/std';
import { type Asked, askUpstream, sharedCall, whileWanted } from './ask.ts';
import { noteAnswer, type Place, type ProxyContext, placeOf, servedHow } from './context.ts';
import { KEEPER } from './copy.ts';
import { freshError } from './flight/error.ts';
import { createListFlow, type Listing } from './list-flow.ts';

export type Lists = {
  repositories(options: PageOptions, call: Call): Promise<Served<Page<RepositoryName>>>;
  tags(repository: RepositoryName, options: PageOptions, call: Call): Promise<Served<Page<TagName>>>;
};

/** Asked for at once: as many as most registries give. */
const PAGE_NAMES = 1000;
/** Lists of up to ten thousand tags are read whole and kept; longer ones go through page by page, and are not kept. */
const WHOLE_LIST_PAGES = 10;
/** Repositories whose list was too long: some ten thousand. */
const LONG_BYTES = 2 * 1024 * 1024;
const LONG_ENTRY_BYTES = 200;

/** What a list came to: whole, or so long that it is shown page by page. */
type TagList = readonly TagName[] | 'too long';

export function createLists(context: ProxyContext): Lists {
  const { store, upstreams } = context;
  const flights = createSingleFlight<Listing<TagName> | undefined>();
  const long = createSizedCache<true>(LONG_BYTES);
  const flow = createListFlow<TagName>(context, { what: 'tags', emptyIsNegative: false });

  const wholeList = async (place: Place, call: Call): Promise<Asked<TagList>> =>
    askUpstream<TagList>(upstreams, place.upstream, async (reader, name) => {
      const items: TagName[] = [];
      let after: string | undefined;
      for (let page = 0; page < WHOLE_LIST_PAGES; page++) {
        const options = { limit: PAGE_NAMES, ...(after === undefined ? {} : { after }) };
        const { value, served } = await reader.tags(name, options, sharedCall(call));
        items.push(...value.items);
        if (value.next === undefined) return { value: items, served };
        after = value.next;
      }
      return { value: 'too long', served: { by: name, warnings: [] } };
    });

  /** The whole list, merged with what is here; undefined: it is too long for that. */
  const listing = (place: Place, call: Call): Promise<Listing<TagName> | undefined> =>
    flights.run(`${call.freshness} ${place.local}`, async () => {
      const question = { place, kind: 'tags', call } as const;
      const found = await flow.answer(question, {
        ask: async () => {
          const asked = await wholeList(place, call);
          if (asked.kind !== 'answer') return asked;
          if (asked.value !== 'too long') return { ...asked, value: asked.value };
          long.set(place.local, true, LONG_ENTRY_BYTES);
          return undefined;
        },
        here: () => localTags(context, place.local),
        nothing: () => nameUnknown(place.local),
      });
      return found && { ...found, items: [...new Set(found.items)].sort() };
    });

  /** One page of a long list as the upstream gives it, with the tags that only we have in their places. */
  const passedOn = async (place: Place, options: PageOptions, call: Call): Promise<Served<Page<TagName>>> => {
    const asked = await askUpstream(upstreams, place.upstream, (reader, name) => reader.tags(name, options, call));
    if (asked.kind !== 'answer') {
      const items = await localTags(context, place.local);
      if (asked.kind === 'gone' && items.length === 0) throw nameUnknown(place.local);
      if (items.length === 0) throw asked.error;
      const warnings = [`only the tags that are here are listed: ${asked.error.message}`];
      const how = { verdict: 'stale-if-error', reason: 'the upstream did not list them', warnings } as const;
      return { value: pageOf(items, options), served: servedHow(context, how) };
    }
    const { value, host, warnings } = asked;
    const local = await localTags(context, place.local);
    const items = mergedInPlace(value, local, options.after);
    const reason = 'the list is long: it is passed on page by page';
    return {
      value: { ...value, items },
      served: servedHow(context, { verdict: 'miss', reason, upstream: host, warnings }),
    };
  };

  return {
    async tags(repository, options, call) {
      const place = placeOf(context, 'tags', repository);
      try {
        const whole = long.get(place.local) ? undefined : await whileWanted(listing(place, call), call);
        if (whole?.revalidate) {
          const { signal: _, ...rest } = call;
          context.background.run(`listing the tags of ${place.local}`, () =>
            listing(place, { ...rest, freshness: 'revalidate' }),
          );
        }
        const answer = whole
          ? { value: pageOf(whole.items, options), served: whole.served }
          : await passedOn(place, options, call);
        const bytes = answer.value.items.reduce((sum, tag) => sum + tag.length, 0);
        const { verdict } = answer.served;
        const isAsked = verdict === 'miss' || verdict === 'refreshed';
        noteAnswer(context, place, {
          what: 'tags',
          verdict: whole?.verdict ?? 'miss',
          bytes,
          savedBytes: isAsked ? 0 : bytes,
        });
        return answer;
      } catch (thrown) {
        if (isRegistryError(thrown) && thrown.status === 404) {
          noteAnswer(context, place, { what: 'tags', verdict: 'negative', bytes: 0, savedBytes: 0 });
        }
        throw freshError(thrown);
      }
    },

    /** What is here: upstreams have no list of all, or one that nobody could read to its end. */
    async repositories({ after, limit }, call) {
      const shelf = `${context.namespace}/`;
      const items: RepositoryName[] = [];
      let cursor = after !== undefined && after > shelf ? after : shelf;
      while (items.length <= limit) {
        const { value } = await store.repositories({ after: cursor, limit: limit + 1 }, call);
        const ours = value.items.filter((name) => name.startsWith(shelf));
        items.push(...ours.filter((name) => context.findPlace(name).refusal === undefined));
        if (value.next === undefined || ours.length < value.items.length) break;
        cursor = value.next;
      }
      return {
        value: pageOf(items, { limit }),
        served: { by: context.namespace, warnings: [`only what is here of ${context.host} is listed`] },
      };
    },
  };
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
export async function localTags({ store }: ProxyContext, repository: RepositoryName): Promise<TagName[]> {
  const items: TagName[] = [];
  let after: string | undefined;
  try {
    do {
      const options = { limit: PAGE_NAMES, ...(after === undefined ? {} : { after }) };
      const { value } = await store.tags(repository, options, KEEPER);
      items.push(...value.items);
      after = value.next;
    } while (after !== undefined);
  } catch (thrown) {
    if (!isRegistryError(thrown, 'NAME_UNKNOWN')) throw thrown;
  }
  return items;
}
