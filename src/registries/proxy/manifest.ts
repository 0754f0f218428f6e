import {
  type Descriptor,
  type Digest,
  isDigest,
  isRegistryError,
  type ManifestReference,
  RegistryError,
} from '#core/oci';
import type { Call, ManifestAnswer, Reader, Served } from '#core/registry';
import { createSingleFlight } from '#core/std';
import { whileWanted } from './ask.ts';
import { noteAnswer, type Place, type ProxyContext, placeOf, servedHow } from './context.ts';
import { type ManifestQuestion, toldDescriptor } from './copy.ts';
import { freshError } from './flight/error.ts';
import { createManifestFlow, type ManifestOutcome } from './manifest-flow.ts';
import type { KnownReference } from './types.ts';

export type Manifests = Pick<Reader, 'resolveManifest' | 'getManifest'>;

const FRESH = 'it was asked for within freshFor';
const SAME_FOR_EVER = 'a digest never changes';

/**
 * Reads of manifests. A pull of what is here and fresh is one look-up and the store's answer. All others go through
 * the decision of `freshness.ts`, one question for everybody who asks it at the same time.
 */
export function createManifests(context: ProxyContext): Manifests {
  const { store, state } = context;
  const flow = createManifestFlow(context);
  const flights = createSingleFlight<ManifestOutcome>();

  const ask = async (question: ManifestQuestion): Promise<ManifestOutcome> => {
    const { place, reference, wants, patience, call } = question;
    const key = `${wants} ${patience} ${call.purpose === 'warm'} ${place.local} ${reference}`;
    try {
      return await whileWanted(
        flights.run(key, () => flow.answer(question)),
        call,
      );
    } catch (thrown) {
      throw freshError(thrown);
    }
  };

  const cold = async (question: ManifestQuestion): Promise<ManifestOutcome> => {
    try {
      const outcome = await ask(question);
      const bytes = outcome.bytes?.byteLength ?? 0;
      const { verdict } = outcome;
      const isSaved = verdict !== 'miss' && verdict !== 'refreshed';
      noteAnswer(context, question.place, { what: 'manifest', verdict, bytes, savedBytes: isSaved ? bytes : 0 });
      if (outcome.revalidate) revalidate(question);
      return outcome;
    } catch (thrown) {
      if (isRegistryError(thrown) && thrown.status === 404) {
        noteAnswer(context, question.place, { what: 'manifest', verdict: 'negative', bytes: 0, savedBytes: 0 });
      }
      throw thrown;
    }
  };

  const revalidate = (question: ManifestQuestion) => {
    const { signal: _, ...call } = question.call;
    context.background.run(`revalidating ${question.place.local}:${question.reference}`, () =>
      ask({ ...question, call, wants: 'manifest', patience: 'revalidate' }),
    );
  };

  const hit = <T>(place: Place, { digest }: Descriptor, value: T, how: { known?: KnownReference; bytes: number }) => {
    store.cache.touch(place.local, digest);
    noteAnswer(context, place, { what: 'manifest', verdict: 'hit', bytes: how.bytes, savedBytes: how.bytes });
    const reason = how.known ? FRESH : SAME_FOR_EVER;
    return { value, served: servedHow(context, { verdict: 'hit', reason, checkedAtMs: how.known?.checkedAtMs }) };
  };

  return {
    async getManifest(repository, reference, call): Promise<Served<ManifestAnswer>> {
      const place = placeOf(context, 'manifest', repository);
      const sure = sureDigest(context, place, reference, call);
      if (sure) {
        context.platforms.check(place.local, sure.digest);
        const here = await orUndefined(store.getManifest(place.local, sure.digest, call));
        if (here) {
          const { descriptor, bytes } = here.value;
          context.platforms.learn(place.local, descriptor, bytes);
          return hit(place, descriptor, here.value, { ...sure, bytes: bytes.byteLength });
        }
      }
      const outcome = await cold(questionOf(place, reference, 'manifest', call));
      if (!outcome.bytes) throw new RegistryError('INTERNAL', 'a manifest was answered without its bytes');
      return { value: { descriptor: outcome.descriptor, bytes: outcome.bytes }, served: outcome.served };
    },

    async resolveManifest(repository, reference, call): Promise<Served<Descriptor>> {
      const place = placeOf(context, 'manifest', repository);
      const sure = sureDigest(context, place, reference, call);
      if (sure) {
        context.platforms.check(place.local, sure.digest);
        const here = await orUndefined(store.resolveManifest(place.local, sure.digest, call));
        if (here) return hit(place, here.value, here.value, { ...sure, bytes: 0 });
        const told = sure.known && toldDescriptor(sure.known);
        if (told) return hit(place, told, told, { ...sure, bytes: 0 });
      }
      const { descriptor, served } = await cold(questionOf(place, reference, 'descriptor', call));
      return { value: descriptor, served };
    },
  };

  /** What a reference stands for, where that is certain without a question and without a look at the disk. */
  function sureDigest(
    { compiled, clock }: ProxyContext,
    place: Place,
    reference: ManifestReference,
    call: Call,
  ): { digest: Digest; known?: KnownReference } | undefined {
    if (isDigest(reference)) return { digest: reference };
    if (call.freshness === 'revalidate') return undefined;
    const known = state.peek(place.local, reference);
    if (known?.digest === undefined) return undefined;
    const { rule } = compiled.freshnessOf(reference);
    const ageMs = clock.now() - known.checkedAtMs;
    const isFresh = rule.immutable || (!rule.offline && ageMs >= 0 && ageMs < rule.freshForMs);
    return isFresh ? { digest: known.digest, known } : undefined;
  }
}

function questionOf(
  place: Place,
  reference: ManifestReference,
  wants: ManifestQuestion['wants'],
  call: Call,
): ManifestQuestion {
  return { place, reference, wants, patience: call.freshness ?? 'default', call };
}

/** What the store has; nothing where it says that it has not. */
async function orUndefined<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (thrown) {
    if (isRegistryError(thrown, 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN')) return undefined;
    throw thrown;
  }
}
