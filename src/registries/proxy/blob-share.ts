import { type Descriptor, type Digest, isRegistryError } from '#core/oci';
import { type Call, isWithin } from '#core/registry';
import { createSingleFlight, messageOf, unlessAborted } from '#core/std';
import { askUpstream, sharedCall } from './ask.ts';
import type { Place, ProxyContext } from './context.ts';
import { type BlobQuestion, KEEPER, orUndefined } from './copy.ts';
import type { FlightWish } from './types.ts';

/** How blobs of one repository are shared with another: on the upstream's word alone. */
export type Sharing = {
  readonly context: ProxyContext;
  /** The upstream's word that this repository has the blob: one HEAD for all who wait for it. */
  confirm(place: Place, digest: Digest, call: Call): Promise<Descriptor>;
};

export function createSharing(context: ProxyContext): Sharing {
  const heads = createSingleFlight<Descriptor>();
  return {
    context,
    confirm: (place, digest, call) =>
      unlessAborted(
        heads.run(`${place.local} ${digest}`, async () => {
          const asked = await askUpstream(context.upstreams, place.upstream, (reader, name) =>
            reader.resolveBlob(name, digest, sharedCall(call)),
          );
          if (asked.kind === 'answer') return asked.value;
          throw asked.error;
        }),
        call.signal,
      ),
  };
}

/** What is linked now, so that there is nothing to download, and whether the upstream has given its word. */
export type Shared = { readonly isConfirmed: boolean; readonly linked?: Descriptor };

/** Links what is here, if it is. A full disk stops no pull. */
export async function linkBlob(
  { store, log, sharesWith }: ProxyContext,
  { local }: Place,
  digest: Digest,
): Promise<Descriptor | undefined> {
  try {
    return await store.cache.linkBlob(local, digest, sharesWith);
  } catch (thrown) {
    if (!isRegistryError(thrown, 'INSUFFICIENT_STORAGE')) throw thrown;
    log.error('a blob was served and not linked', { repository: local, digest, why: messageOf(thrown) });
    return undefined;
  }
}

/** Before a download is joined or begun. */
export async function share(sharing: Sharing, question: BlobQuestion): Promise<Shared> {
  const { store, sharesWith } = sharing.context;
  const { place, digest, call } = question;
  const before = isOnItsWay(sharing, question);
  if (before === 'here') return { isConfirmed: false };
  if ((await store.cache.findBlob(digest, sharesWith)) === undefined) {
    const after = isOnItsWay(sharing, question);
    // It arrived while the store was asked.
    if (before === 'elsewhere' && after === undefined) return await share(sharing, question);
    if (after === undefined) return { isConfirmed: false };
  }
  // Its own download may have ended meanwhile.
  const own = await orUndefined(store.resolveBlob(place.local, digest, KEEPER));
  if (own) return { isConfirmed: true, linked: own.value };
  await sharing.confirm(place, digest, call);
  const linked = await linkBlob(sharing.context, place, digest);
  return linked ? { isConfirmed: true, linked } : { isConfirmed: true };
}

function isOnItsWay({ context }: Sharing, { place, digest }: BlobQuestion): 'here' | 'elsewhere' | undefined {
  const flight = context.flights.find(digest);
  // Of another upstream's download nothing is had here: see `sharesWith`.
  if (!flight?.repositories.some((name) => isWithin(name, context.sharesWith))) return undefined;
  return flight.repositories.includes(place.local) ? 'here' : 'elsewhere';
}

/** Of a blob that is being downloaded for this repository. */
export function sizeOnItsWay({ context }: Sharing, { place, digest }: BlobQuestion): number | undefined {
  const flight = context.flights.find(digest);
  return flight?.repositories.includes(place.local) && flight.sizeBytes > 0 ? flight.sizeBytes : undefined;
}

export function wishOf(
  { context, confirm }: Sharing,
  { place, digest, call, shared }: BlobQuestion & { readonly shared: Shared },
): FlightWish {
  const sources = context.upstreams.flatMap(({ upstream: { host, reader } }, index) => {
    const repository = place.upstream[index];
    return repository === undefined ? [] : [{ host, repository, reader }];
  });
  const wish = { repository: place.local, digest, sources };
  // Another repository may have begun it just now.
  return shared.isConfirmed ? wish : { ...wish, confirm: () => confirm(place, digest, call) };
}
