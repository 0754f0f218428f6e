import { type Descriptor, type Digest, isRegistryError, MediaType } from '#core/oci';
import { type BlobAnswer, type BlobOptions, type Call, type Reader, rangeWithin, type Served } from '#core/registry';
import { checkPatience, toldBlobError } from './blob-error.ts';
import { createSharing, linkBlob, type Shared, type Sharing, share, sizeOnItsWay, wishOf } from './blob-share.ts';
import { noteAnswer, type Place, type ProxyContext, placeOf, servedHow } from './context.ts';
import { type BlobQuestion, KEEPER, orUndefined } from './copy.ts';

export type Blobs = Pick<Reader, 'resolveBlob' | 'getBlob'> & {
  /** Sees to it that a blob is here, and linked in its repository. Whether it was not before. */
  fetch(place: Place, digest: Digest, call: Call): Promise<Arrived>;
};
type Arrived = { readonly descriptor: Descriptor; readonly isNew: boolean };

/**
 * Reads of blobs. One linked in the repository is the store's to answer. One that is here for another repository, or
 * on its way for one, is shared only after the upstream has said that this repository has it too: a digest alone opens
 * nothing. Any other is downloaded at once, without a question before.
 */
export function createBlobs(context: ProxyContext): Blobs {
  const sharing = createSharing(context);
  return {
    async getBlob(repository, digest, options, call): Promise<Served<BlobAnswer>> {
      const place = placeOf(context, 'blob', repository);
      const question = { place, digest, call };
      const here = await fromStore(context, question, options);
      if (here) return here;
      checkPatience(context, question);
      return await telling(context, question, async () => {
        const shared = await share(sharing, question);
        const stored = shared.linked && (await fromStore(context, question, options));
        return stored ?? (await download(sharing, { ...question, shared }, options));
      });
    },

    async resolveBlob(repository, digest, call): Promise<Served<Descriptor>> {
      const place = placeOf(context, 'blob', repository);
      const here = await orUndefined(context.store.resolveBlob(place.local, digest, call));
      if (here) {
        context.store.cache.touch(place.local, digest);
        return { value: here.value, served: servedHow(context, HIT) };
      }
      checkPatience(context, { place, digest, call });
      return await telling(context, { place, digest, call }, () => resolveCold(sharing, { place, digest, call }));
    },

    async fetch(place, digest, call) {
      const here = await orUndefined(context.store.resolveBlob(place.local, digest, KEEPER));
      if (here) return { descriptor: here.value, isNew: false };
      checkPatience(context, { place, digest, call });
      return await telling(context, { place, digest, call }, () => fetchCold(sharing, { place, digest, call }));
    },
  };
}

const HIT = { verdict: 'hit', reason: 'a digest never changes' } as const;
const COLD = { verdict: 'miss', reason: 'it was not here' } as const;

async function fromStore(context: ProxyContext, { place, digest, call }: BlobQuestion, options: BlobOptions) {
  const here = await orUndefined(context.store.getBlob(place.local, digest, options, call));
  if (!here) return undefined;
  const bytes = bytesIn(here.value.descriptor.size, options);
  context.store.cache.touch(place.local, digest);
  noteAnswer(context, place, { what: 'blob', verdict: 'hit', bytes, savedBytes: bytes });
  return { value: here.value, served: servedHow(context, HIT) };
}

/**
 * A HEAD is asked upstream: it is free, and a download that nobody reads is not. One that is on its way to this
 * repository answers for itself: whoever wants a range asks for the size first.
 */
async function resolveCold(sharing: Sharing, question: BlobQuestion): Promise<Served<Descriptor>> {
  const { context } = sharing;
  const { place, digest, call } = question;
  const size = sizeOnItsWay(sharing, question);
  if (size !== undefined) {
    const reason = 'being downloaded';
    return { value: { mediaType: MediaType.octets, digest, size }, served: servedHow(context, { ...COLD, reason }) };
  }
  const value = await sharing.confirm(place, digest, call);
  // Whoever asks is about to get it: then it needs no second question.
  await linkBlob(context, place, digest);
  noteAnswer(context, place, { what: 'blob', verdict: 'miss', bytes: 0, savedBytes: 0 });
  return { value, served: servedHow(context, COLD) };
}

/** Joins the download or begins it; the body follows it. */
async function download(sharing: Sharing, question: BlobQuestion & { readonly shared: Shared }, options: BlobOptions) {
  const { context } = sharing;
  const { place, digest, call } = question;
  const isFirst = context.flights.find(digest) === undefined;
  const answer = await context.flights.read(wishOf(sharing, question), options.range, call);
  const { size } = answer.value.descriptor;
  if (isFirst) noteBegun(context, size);
  const bytes = bytesIn(size, options);
  noteAnswer(context, place, { what: 'blob', verdict: 'miss', bytes, savedBytes: isFirst ? 0 : bytes });
  const { upstream = context.host, reason = COLD.reason, warnings } = answer.served;
  return { value: answer.value, served: servedHow(context, { verdict: 'miss', reason, warnings, upstream }) };
}

async function fetchCold(sharing: Sharing, question: BlobQuestion): Promise<Arrived> {
  const { context } = sharing;
  const { digest, call } = question;
  const shared = await share(sharing, question);
  if (shared.linked) return { descriptor: shared.linked, isNew: false };
  const isFirst = context.flights.find(digest) === undefined;
  const descriptor = await context.flights.warm(wishOf(sharing, { ...question, shared }), call);
  if (isFirst) noteBegun(context, descriptor.size);
  return { descriptor, isNew: true };
}

function noteBegun(context: ProxyContext, sizeBytes: number): void {
  context.state.count(context.namespace, { upstreamBytes: sizeBytes });
  context.arrived.tell(sizeBytes);
}

/** Fails as the client is to be told. */
async function telling<T>(context: ProxyContext, question: BlobQuestion, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (thrown) {
    const error = toldBlobError(context, question, thrown);
    if (isRegistryError(error) && error.status === 404) {
      noteAnswer(context, question.place, { what: 'blob', verdict: 'negative', bytes: 0, savedBytes: 0 });
    }
    throw error;
  }
}

/** Bytes of an answer; a range outside is refused before. */
function bytesIn(sizeBytes: number, { range }: BlobOptions): number {
  const { start, end } = rangeWithin(sizeBytes, range);
  return end - start;
}
