import { Bounds, type Descriptor, type Digest, RegistryError } from '#core/oci';
import type { Call, Lister, ReferrersOptions, ReferrersPage } from '#core/registry';
import { createSingleFlight, type SingleFlight, unlessAborted } from '#core/std';
import { type Asked, askUpstream, sharedCall } from './ask.ts';
import { noteAnswer, type Place, type ProxyContext, placeOf } from './context.ts';
import { KEEPER } from './copy.ts';
import { freshError } from './flight/error.ts';
import { answerList, type Listing } from './list-flow.ts';

/** As many as an index may have children; a registry that names more is not read on. */
const MAX_REFERRERS = Bounds.children;
const PAGE_REFERRERS = 500;

type State = { readonly context: ProxyContext; readonly flights: SingleFlight<Listing<Descriptor> | undefined> };
type Subject = { readonly place: Place; readonly digest: Digest; readonly call: Call };

/**
 * What refers to a digest: the upstream's whole list, kept and filtered here, so that one question answers for all
 * artifact types. Where the upstream has no such list its client reads the fallback tag.
 */
export function createReferrers(context: ProxyContext): Lister['referrers'] {
  const state: State = { context, flights: createSingleFlight() };
  return async (repository, digest, options, call) => {
    const place = placeOf(context, 'referrers', repository);
    try {
      const found = await unlessAborted(listing(state, { place, digest, call }), call.signal);
      if (!found) throw new RegistryError('INTERNAL', 'a list of referrers was not read to its end');
      if (found.revalidate) revalidate(state, { place, digest, call });
      noteAnswer(context, place, { what: 'referrers', verdict: found.verdict, bytes: 0, savedBytes: 0 });
      return { value: pageOfReferrers(found.items, options), served: found.served };
    } catch (thrown) {
      throw freshError(thrown);
    }
  };
}

function revalidate(state: State, { place, digest, call }: Subject): void {
  const { signal: _, ...rest } = call;
  state.context.background.run(`asking for the referrers of ${digest}`, () =>
    listing(state, { place, digest, call: { ...rest, freshness: 'revalidate' } }),
  );
}

function listing({ context, flights }: State, subject: Subject): Promise<Listing<Descriptor> | undefined> {
  const { place, digest, call } = subject;
  return flights.run(`${call.freshness} ${place.local} ${digest}`, () =>
    answerList<Descriptor>(
      context,
      { place, kind: `referrers ${digest}`, call },
      {
        what: 'referrers',
        emptyIsNegative: true,
        ask: () => wholeList(context, subject),
        here: () => localReferrers(context, place, digest),
        nothing: () => new RegistryError('INTERNAL', 'referrers cannot be missing'),
      },
    ),
  );
}

async function wholeList(
  context: ProxyContext,
  { place, digest, call }: Subject,
): Promise<Asked<readonly Descriptor[]>> {
  const asked = await askUpstream(context.upstreams, place.upstream, async (reader, name) => {
    const items: Descriptor[] = [];
    let after: string | undefined;
    while (true) {
      const { value, served } = await reader.referrers(name, digest, pageAfter(after), sharedCall(call));
      items.push(...value.items);
      if (value.next === undefined) return { value: items, served };
      if (items.length > MAX_REFERRERS || value.items.length === 0) throw endless(digest);
      after = value.next;
    }
  });
  // A repository that is not there has no referrers: the spec knows no "not found" here.
  return asked.kind === 'gone' ? { kind: 'answer', value: [], host: asked.host, warnings: [] } : asked;
}

function pageAfter(after: string | undefined): ReferrersOptions {
  return after === undefined ? {} : { after };
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
  const isWanted = ({ artifactType }: Descriptor) =>
    artifactTypes.length === 0 || artifactTypes.includes(artifactType ?? '');
  const wanted = [...byDigest.values()]
    .filter((descriptor) => isWanted(descriptor) && (after === undefined || descriptor.digest > after))
    .sort((left, right) => (left.digest < right.digest ? -1 : 1));
  const items = wanted.slice(0, PAGE_REFERRERS);
  const last = items.at(-1);
  const page = { items, filtered: artifactTypes.length > 0 };
  return last === undefined || wanted.length <= PAGE_REFERRERS ? page : { ...page, next: last.digest };
}

/** Referrers whose manifests are here. */
async function localReferrers({ store }: ProxyContext, { local }: Place, digest: Digest): Promise<Descriptor[]> {
  const items: Descriptor[] = [];
  let after: string | undefined;
  do {
    const { value } = await store.referrers(local, digest, pageAfter(after), KEEPER);
    items.push(...value.items);
    after = value.next;
  } while (after !== undefined && items.length <= MAX_REFERRERS);
  return items;
}
