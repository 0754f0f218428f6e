import { type Descriptor, type Digest, isRegistryError, RegistryError } from '#core/oci';
import { type BlobAnswer, type BlobOptions, type Call, type Reader, rangeWithin, type Served } from '#core/registry';
import { createSingleFlight } from '#core/std';
import { askUpstream, failureOf, sharedCall, whileWanted } from './ask.ts';
import { noteAnswer, type Place, type ProxyContext, placeOf, servedHow } from './context.ts';
import { KEEPER } from './copy.ts';
import type { FlightWish } from './types.ts';

export type Blobs = Pick<Reader, 'resolveBlob' | 'getBlob'> & {
  /** Sees to it that a blob is here, and linked in its repository. Whether it was not before. */
  fetch(
    place: Place,
    digest: Digest,
    call: Call,
  ): Promise<{ readonly descriptor: Descriptor; readonly isNew: boolean }>;
};

/**
 * Reads of blobs. One linked in the repository is the store's to answer. One that is here for another repository, or
 * on its way for one, is shared only after the upstream has said that this repository has it too: a digest alone opens
 * nothing. Any other is downloaded at once, without a question before.
 */
export function createBlobs(context: ProxyContext): Blobs {
  const { store, flights, upstreams } = context;
  const heads = createSingleFlight<Descriptor>();

  /** The upstream's word that this repository has the blob: one HEAD for all who wait for it. */
  const confirm = (place: Place, digest: Digest, call: Call): Promise<Descriptor> =>
    whileWanted(
      heads.run(`${place.local} ${digest}`, async () => {
        const asked = await askUpstream(upstreams, place.upstream, (reader, name) =>
          reader.resolveBlob(name, digest, sharedCall(call)),
        );
        if (asked.kind === 'answer') return asked.value;
        if (asked.kind === 'gone') throw unknownBlob(context, place, digest, asked.error);
        throw asked.error;
      }),
      call,
    );

  const wishOf = (place: Place, digest: Digest): FlightWish => ({
    repository: place.local,
    digest,
    sources: upstreams.flatMap(({ upstream }, index) => {
      const repository = place.upstream[index];
      return repository === undefined ? [] : [{ host: upstream.host, repository, reader: upstream.reader }];
    }),
  });

  const isOnItsWayTo = ({ local }: Place, digest: Digest): boolean | undefined =>
    flights.find(digest)?.repositories.includes(local);

  /** Before a download is joined or begun: what is linked now, and whether the upstream has given its word. */
  const share = async (place: Place, digest: Digest, call: Call): Promise<Shared> => {
    checkPatience(context, place, digest, call);
    const before = isOnItsWayTo(place, digest);
    if (before === true) return { isConfirmed: true };
    if ((await store.cache.findBlob(digest)) === undefined) {
      const after = isOnItsWayTo(place, digest);
      // It arrived while the store was asked.
      if (before === false && after === undefined) return await share(place, digest, call);
      if (after === undefined) return { isConfirmed: false };
    }
    // Its own download may have ended meanwhile.
    const linked = await orUndefined(store.resolveBlob(place.local, digest, KEEPER));
    if (linked) return { isConfirmed: true, linked: linked.value };
    await confirm(place, digest, call);
    const shared = await store.cache.linkBlob(place.local, digest);
    return shared ? { isConfirmed: true, linked: shared } : { isConfirmed: true };
  };

  /** To be called before a flight is joined, with nothing awaited in between: another repository may have begun it just now. */
  const isOpen = (place: Place, digest: Digest, { isConfirmed }: Shared): boolean =>
    isConfirmed || isOnItsWayTo(place, digest) !== false;

  const download = async ({ place, digest, shared, call }: Download, options: BlobOptions) => {
    if (!isOpen(place, digest, shared)) await confirm(place, digest, call);
    const isFirst = flights.find(digest) === undefined;
    const answer = await flights.read(wishOf(place, digest), options.range, call);
    const { size } = answer.value.descriptor;
    if (isFirst) {
      context.state.count(context.namespace, { upstreamBytes: size });
      context.arrived.tell(size);
    }
    const bytes = bytesIn(size, options);
    noteAnswer(context, place, { what: 'blob', verdict: 'miss', bytes, savedBytes: isFirst ? 0 : bytes });
    const { upstream, reason = 'it was not here', warnings } = answer.served;
    const how = { verdict: 'miss', reason, warnings } as const;
    return { value: answer.value, served: servedHow(context, upstream === undefined ? how : { ...how, upstream }) };
  };

  const fromStore = async (place: Place, digest: Digest, options: BlobOptions, call: Call) => {
    const here = await orUndefined(store.getBlob(place.local, digest, options, call));
    if (!here) return undefined;
    const bytes = bytesIn(here.value.descriptor.size, options);
    store.cache.touch(place.local, digest);
    noteAnswer(context, place, { what: 'blob', verdict: 'hit', bytes, savedBytes: bytes });
    return { value: here.value, served: servedHow(context, HIT) };
  };

  return {
    async getBlob(repository, digest, options, call): Promise<Served<BlobAnswer>> {
      const place = placeOf(context, 'blob', repository);
      const here = await fromStore(place, digest, options, call);
      if (here) return here;
      try {
        const shared = await share(place, digest, call);
        const stored = shared.linked && (await fromStore(place, digest, options, call));
        return stored ?? (await download({ place, digest, shared, call }, options));
      } catch (thrown) {
        throw told(context, place, { digest, thrown, call });
      }
    },

    async resolveBlob(repository, digest, call): Promise<Served<Descriptor>> {
      const place = placeOf(context, 'blob', repository);
      const here = await orUndefined(store.resolveBlob(place.local, digest, call));
      if (here) {
        store.cache.touch(place.local, digest);
        return { value: here.value, served: servedHow(context, HIT) };
      }
      checkPatience(context, place, digest, call);
      const flight = flights.find(digest);
      try {
        const value = await confirm(place, digest, call);
        // Whoever asks is about to get it: then it needs no second question.
        if (!flight) await store.cache.linkBlob(place.local, digest);
        noteAnswer(context, place, { what: 'blob', verdict: 'miss', bytes: 0, savedBytes: 0 });
        return { value, served: servedHow(context, { verdict: 'miss', reason: 'it was not here' }) };
      } catch (thrown) {
        throw told(context, place, { digest, thrown, call });
      }
    },

    async fetch(place, digest, call) {
      const here = await orUndefined(store.resolveBlob(place.local, digest, KEEPER));
      if (here) return { descriptor: here.value, isNew: false };
      try {
        const shared = await share(place, digest, call);
        if (shared.linked) return { descriptor: shared.linked, isNew: false };
        if (!isOpen(place, digest, shared)) await confirm(place, digest, call);
        const isFirst = flights.find(digest) === undefined;
        const descriptor = await flights.warm(wishOf(place, digest), call);
        if (isFirst) context.state.count(context.namespace, { upstreamBytes: descriptor.size });
        context.arrived.tell(descriptor.size);
        return { descriptor, isNew: true };
      } catch (thrown) {
        throw told(context, place, { digest, thrown, call });
      }
    },
  };
}

type Shared = { readonly isConfirmed: boolean; readonly linked?: Descriptor };
type Download = { readonly place: Place; readonly digest: Digest; readonly shared: Shared; readonly call: Call };

const HIT = { verdict: 'hit', reason: 'a digest never changes' } as const;

/** Where the upstream may not be asked there is nothing to wait for. */
function checkPatience({ compiled, host }: ProxyContext, { local }: Place, digest: Digest, call: Call): void {
  const options = { detail: { name: local, digest } };
  const what = `${local}@${digest} is not here`;
  if (compiled.lists.offline) {
    throw new RegistryError('UPSTREAM_UNAVAILABLE', what, {
      ...options,
      why: `the rule says that ${host} is never asked`,
    });
  }
  if (call.freshness !== 'local') return;
  throw new RegistryError('BLOB_UNKNOWN', what, { ...options, why: 'only what is here was wanted' });
}

type Told = { readonly digest: Digest; readonly thrown: unknown; readonly call: Call };

/** What the client is told of a failure: the upstream's 404 as ours, all else as what it is. */
function told(context: ProxyContext, place: Place, { digest, thrown, call }: Told): unknown {
  if (call.signal?.aborted || !isRegistryError(thrown)) return thrown;
  if (thrown.code === 'RANGE_INVALID' || thrown.code === 'INSUFFICIENT_STORAGE') return thrown;
  if (thrown.origin === 'local' && thrown.code !== 'BLOB_UNKNOWN' && thrown.code !== 'NAME_UNKNOWN') return thrown;
  const failure = failureOf(thrown, context.host);
  if (failure.kind !== 'gone') return failure.error;
  noteAnswer(context, place, { what: 'blob', verdict: 'negative', bytes: 0, savedBytes: 0 });
  return thrown.origin === 'local' ? thrown : unknownBlob(context, place, digest, thrown);
}

function unknownBlob({ host }: ProxyContext, { local }: Place, digest: Digest, said: RegistryError): RegistryError {
  return new RegistryError('BLOB_UNKNOWN', `${local} has no blob ${digest}`, {
    origin: 'upstream',
    upstream: said.upstream ?? { registry: host },
    detail: { name: local, digest },
    why: `${host} said so${said.why ? ` (${said.why})` : ''}`,
  });
}

/** Bytes of an answer; a range outside is refused before. */
function bytesIn(sizeBytes: number, { range }: BlobOptions): number {
  const { start, end } = rangeWithin(sizeBytes, range);
  return end - start;
}

async function orUndefined<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (thrown) {
    if (isRegistryError(thrown, 'BLOB_UNKNOWN', 'NAME_UNKNOWN')) return undefined;
    throw thrown;
  }
}
