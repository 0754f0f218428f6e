import { Bounds, type Descriptor, type Digest, RegistryError } from '#core/oci';
import type { Call, Lister, ReferrersOptions, ReferrersPage } from '#core/registry';
import { createSingleFlight } from '#core/std';
import { type Asked, askUpstream, sharedCall, whileWanted } from './ask.ts';
import { noteAnswer, type Place, type ProxyContext, placeOf } from './context.ts';
import { KEEPER } from './copy.ts';
import { freshError } from './flight/error.ts';
import { createListFlow, type Listing } from './list-flow.ts';

/** As many as an index may have children; a registry that names more is not read on. */
const MAX_REFERRERS = Bounds.children;
const PAGE_REFERRERS = 500;

/**
 * What refers to a digest: the upstream's whole list, kept and filtered here, so that one question answers for all
 * artifact types. Where the upstream has no such list its client reads the fallback tag.
 */
export function createReferrers(context: ProxyContext): Lister['referrers'] {
  const flights = createSingleFlight<Listing<Descriptor> | undefined>();
  const flow = createListFlow<Descriptor>(context, { what: 'referrers', emptyIsNegative: true });

  const wholeList = async (place: Place, digest: Digest, call: Call): Promise<Asked<readonly Descriptor[]>> => {
    const asked = await askUpstream(context.upstreams, place.upstream, async (reader, name) => {
      const items: Descriptor[] = [];
      let after: string | undefined;
      while (true) {
        const options = after === undefined ? {} : { after };
        const { value, served } = await reader.referrers(name, digest, options, sharedCall(call));
        items.push(...value.items);
        if (value.next === undefined) return { value: items, served };
        if (items.length > MAX_REFERRERS || value.items.length === 0) throw endless(digest);
        after = value.next;
      }
    });
    // A repository that is not there has no referrers: the spec knows no "not found" here.
    return asked.kind === 'gone' ? { kind: 'answer', value: [], host: asked.host, warnings: [] } : asked;
  };

  const listing = (place: Place, digest: Digest, call: Call): Promise<Listing<Descriptor> | undefined> =>
    flights.run(`${call.freshness} ${place.local} ${digest}`, () =>
      flow.answer(
        { place, kind: `referrers ${digest}`, call },
        {
          ask: () => wholeList(place, digest, call),
          here: () => localReferrers(context, place, digest),
          nothing: () => new RegistryError('INTERNAL', 'referrers cannot be missing'),
        },
      ),
    );

  return async (repository, digest, options, call) => {
    const place = placeOf(context, 'referrers', repository);
    try {
      const found = await whileWanted(listing(place, digest, call), call);
      if (!found) throw new RegistryError('INTERNAL', 'a list of referrers was not read to its end');
      if (found.revalidate) {
        const { signal: _, ...rest } = call;
        context.background.run(`asking for the referrers of ${digest}`, () =>
          listing(place, digest, { ...rest, freshness: 'revalidate' }),
        );
      }
      const { verdict } = found;
      noteAnswer(context, place, { what: 'referrers', verdict, bytes: 0, savedBytes: 0 });
      return { value: pageOfReferrers(found.items, options), served: found.served };
    } catch (thrown) {
      throw freshError(thrown);
    }
  };
}

function endless(digest: Digest): RegistryError {
  return new RegistryError('UPSTREAM_INVALID', `the list of what refers to ${digest} does not end`, {
    origin: 'upstream',
    why: `it has more than ${MAX_REFERRERS} entries, or a page without any`,
  });
}

/** Each once, in the order of digests, those of the artifact types. */
function pageOfReferrers(all: readonly Descriptor[], { artifactTypes = [], after }: ReferrersOptions): ReferrersPage {
  const byDigest = new Map(all.map((descriptor) => [descriptor.digest, descriptor]));
  const wanted = [...byDigest.values()]
    .filter(
      ({ digest, artifactType }) =>
        (artifactTypes.length === 0 || artifactTypes.includes(artifactType ?? '')) &&
        (after === undefined || digest > after),
    )
    .sort((left, right) => (left.digest < right.digest ? -1 : 1));
  const items = wanted.slice(0, PAGE_REFERRERS);
  const last = items.at(-1);
  const filtered = artifactTypes.length > 0;
  return last === undefined || wanted.length <= PAGE_REFERRERS
    ? { items, filtered }
    : { items, filtered, next: last.digest };
}

/** Referrers whose manifests are here. */
async function localReferrers({ store }: ProxyContext, { local }: Place, digest: Digest): Promise<Descriptor[]> {
  const items: Descriptor[] = [];
  let after: string | undefined;
  do {
    const { value } = await store.referrers(local, digest, after === undefined ? {} : { after }, KEEPER);
    items.push(...value.items);
    after = value.next;
  } while (after !== undefined && items.length <= MAX_REFERRERS);
  return items;
}
