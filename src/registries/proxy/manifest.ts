import {
  type Descriptor,
  type Digest,
  isDigest,
  isRegistryError,
  type ManifestReference,
  RegistryError,
} from '#core/oci';
import type { Call, ManifestAnswer, Reader, Served } from '#core/registry';
import { createSingleFlight, type SingleFlight, unlessAborted } from '#core/std';
import { noteAnswer, type Place, type ProxyContext, placeOf, servedHow } from './context.ts';
import { type ManifestQuestion, orUndefined } from './copy.ts';
import { freshError } from './flight/error.ts';
import { type Asker, createAsker } from './manifest-ask.ts';
import { answer, type ManifestOutcome } from './manifest-flow.ts';
import type { KnownReference } from './types.ts';

export type Manifests = Pick<Reader, 'resolveManifest' | 'getManifest'>;

type State = {
  readonly context: ProxyContext;
  readonly asker: Asker;
  readonly flights: SingleFlight<ManifestOutcome>;
};

/**
 * Reads of manifests. A pull of what is here and fresh is one look-up and the store's answer. All others go through
 * the decision of `freshness.ts`, one question for everybody who asks it at the same time.
 */
export function createManifests(context: ProxyContext): Manifests {
  const { store } = context;
  const state: State = { context, asker: createAsker(context), flights: createSingleFlight() };
  return {
    async getManifest(repository, reference, call): Promise<Served<ManifestAnswer>> {
      const place = placeOf(context, 'manifest', repository);
      const sure = sureDigest(context, place, { reference, call });
      if (sure) {
        context.platforms.check(place.local, sure.digest);
        const here = await orUndefined(store.getManifest(place.local, sure.digest, call));
        if (here) {
          const { descriptor, bytes } = here.value;
          context.platforms.learn(place.local, descriptor, bytes);
          return hit(context, place, { value: here.value, sure, bytes: bytes.byteLength });
        }
      }
      const outcome = await cold(state, questionOf(place, reference, { wants: 'manifest', call }));
      if (!outcome.bytes) throw new RegistryError('INTERNAL', 'a manifest was answered without its bytes');
      return { value: { descriptor: outcome.descriptor, bytes: outcome.bytes }, served: outcome.served };
    },

    async resolveManifest(repository, reference, call): Promise<Served<Descriptor>> {
      const place = placeOf(context, 'manifest', repository);
      const sure = sureDigest(context, place, { reference, call });
      if (sure) {
        context.platforms.check(place.local, sure.digest);
        const here = await orUndefined(store.resolveManifest(place.local, sure.digest, call));
        if (here) return hit(context, place, { value: here.value, sure, bytes: 0 });
      }
      const { descriptor, served } = await cold(state, questionOf(place, reference, { wants: 'descriptor', call }));
      return { value: descriptor, served };
    },
  };
}

type Sure = { readonly digest: Digest; readonly known?: KnownReference };

/** What a reference stands for, where that is certain without a question and without a look at the disk. */
function sureDigest(
  { compiled, clock, state }: ProxyContext,
  { local }: Place,
  { reference, call }: { readonly reference: ManifestReference; readonly call: Call },
): Sure | undefined {
  if (isDigest(reference)) return { digest: reference };
  if (call.freshness === 'revalidate') return undefined;
  const known = state.peek(local, reference);
  if (known?.digest === undefined) return undefined;
  const { rule } = compiled.freshnessOf(reference);
  const ageMs = clock.now() - known.checkedAtMs;
  const isFresh = rule.immutable || (!rule.offline && ageMs >= 0 && ageMs < rule.freshForMs);
  return isFresh ? { digest: known.digest, known } : undefined;
}

const FRESH = 'the upstream was asked within freshFor';
const SAME_FOR_EVER = 'a digest never changes';

type Hit<T> = { readonly value: T; readonly sure: Sure; readonly bytes: number };

function hit<T>(context: ProxyContext, place: Place, { value, sure, bytes }: Hit<T>): Served<T> {
  context.store.cache.touch(place.local, sure.digest);
  noteAnswer(context, place, { what: 'manifest', verdict: 'hit', bytes, savedBytes: bytes });
  const reason = sure.known ? FRESH : SAME_FOR_EVER;
  return { value, served: servedHow(context, { verdict: 'hit', reason, checkedAtMs: sure.known?.checkedAtMs }) };
}

/** Asks once for all who ask the same at the same time; each may give up by itself. */
async function cold(state: State, question: ManifestQuestion): Promise<ManifestOutcome> {
  const { context } = state;
  const { place } = question;
  try {
    const outcome = await shared(state, question);
    const { verdict } = outcome;
    const bytes = question.wants === 'manifest' ? (outcome.bytes?.byteLength ?? 0) : 0;
    const isNew = verdict === 'miss' || verdict === 'refreshed';
    noteAnswer(context, place, { what: 'manifest', verdict, bytes, savedBytes: isNew ? 0 : bytes });
    if (outcome.revalidate) revalidate(state, question);
    return outcome;
  } catch (thrown) {
    if (isRegistryError(thrown) && thrown.status === 404) {
      noteAnswer(context, place, { what: 'manifest', verdict: 'negative', bytes: 0, savedBytes: 0 });
    }
    throw freshError(thrown);
  }
}

async function shared({ asker, flights }: State, question: ManifestQuestion): Promise<ManifestOutcome> {
  const { place, reference, wants, patience, call } = question;
  // A warm-up is refused earlier than others: nobody is to share that fate.
  const key = `${wants} ${patience} ${call.purpose === 'warm'} ${place.local} ${reference}`;
  return await unlessAborted(
    flights.run(key, () => answer(asker, question)),
    call.signal,
  );
}

function revalidate(state: State, question: ManifestQuestion): void {
  const { signal: _, ...call } = question.call;
  const { local } = question.place;
  state.context.background.run(`revalidating ${local}:${question.reference}`, () =>
    shared(state, { ...question, call, wants: 'manifest', patience: 'revalidate' }),
  );
}

type Asking = { readonly wants: ManifestQuestion['wants']; readonly call: Call };

function questionOf(place: Place, reference: ManifestReference, { wants, call }: Asking): ManifestQuestion {
  return { place, reference, wants, patience: call.freshness ?? 'default', call };
}
