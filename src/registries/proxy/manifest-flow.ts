import { type Descriptor, type Digest, isDigest, RegistryError, type RepositoryName } from '#core/oci';
import type { ServedBy } from '#core/registry';
import { sharedCall } from './ask.ts';
import { type ProxyContext, servedHow } from './context.ts';
import { type Copy, factsOf, KEEPER, lookAt, type ManifestQuestion, orUndefined } from './copy.ts';
import { keepTag } from './fetch.ts';
import { decide, type Judgement, judge } from './freshness.ts';
import { type Asker, ask, type Learned } from './manifest-ask.ts';
import { failedError, nameOf, refusedError, unknownError } from './manifest-error.ts';
import type { Verdict } from './types.ts';

export type ManifestOutcome = {
  readonly descriptor: Descriptor;
  /** Where the content was wanted. */
  readonly bytes?: Uint8Array;
  readonly verdict: Verdict;
  readonly served: ServedBy;
  /** The upstream is to be asked behind the answer's back. */
  readonly revalidate: boolean;
};

/** Answers one question: looks, decides, asks, judges. Whoever calls sees to it that a question is asked once at a time. */
export async function answer(asker: Asker, question: ManifestQuestion): Promise<ManifestOutcome> {
  const { context } = asker;
  const copy = await lookAt(context, question);
  const step = decide(factsOf(context, question, copy));
  if (step.kind === 'serve') {
    const checkedAtMs = isDigest(question.reference) ? undefined : copy.known?.checkedAtMs;
    const outcome = await read(context, question, { ...step, copy, checkedAtMs });
    return { ...outcome, revalidate: step.revalidate };
  }
  if (step.kind === 'negative') throw unknownError(context, question, { saidAtMs: copy.known?.checkedAtMs });
  if (step.kind === 'refuse') throw refusedError(context, question, step);
  // Somebody was told something while we looked: then there may be nothing left to ask.
  const latest = context.state.peek(question.place.local, question.reference);
  if (latest !== undefined && latest !== copy.known) return await answer(asker, question);
  const learned = await ask(asker, question, { copy, step });
  const judgement = judge({ local: copy.local, outcome: learned.outcome, whenDeleted: context.compiled.whenDeleted });
  return await conclude(context, question, { copy, learned, judgement });
}

type Conclusion = { readonly copy: Copy; readonly learned: Learned; readonly judgement: Judgement };

async function conclude(context: ProxyContext, question: ManifestQuestion, conclusion: Conclusion) {
  const { copy, learned, judgement } = conclusion;
  const { error } = learned;
  if (judgement.kind === 'fail') throw failedError(context, question, { code: judgement.code, error, copy });
  if (judgement.note === 'is-not') await noteIsNot(context, question, { copy, upstream: learned.host });
  if (judgement.kind === 'unknown') {
    if (judgement.forget) await forgetTag(context, question);
    if (judgement.note === 'is-not') throw unknownError(context, question, { said: error });
    throw unknownError(context, question, { saidAtMs: copy.known?.checkedAtMs });
  }
  if (judgement.from === 'answer') return outcomeOf(context, question, { learned, verdict: judgement.verdict });
  if (judgement.verdict === 'revalidated') {
    const { now } = context.clock;
    const why = 'the upstream has the same';
    return await read(context, question, { verdict: 'revalidated', why, isStale: false, copy, checkedAtMs: now() });
  }
  const why = [error?.message, error?.why].filter(Boolean).join(': ');
  const checkedAtMs = copy.known?.checkedAtMs;
  return await read(context, question, { verdict: judgement.verdict, why, isStale: true, copy, checkedAtMs });
}

type Brought = { readonly learned: Learned; readonly verdict: Verdict };

function outcomeOf(context: ProxyContext, { reference }: ManifestQuestion, brought: Brought): ManifestOutcome {
  const { learned, verdict } = brought;
  const { descriptor, bytes, host, warnings } = learned;
  if (!descriptor) throw new RegistryError('INTERNAL', 'an answer brought nothing');
  const reason = verdict === 'miss' ? 'it was not here' : 'the tag had moved';
  const checkedAtMs = isDigest(reference) ? undefined : context.clock.now();
  const served = servedHow(context, { verdict, reason, checkedAtMs, upstream: host, warnings });
  return { descriptor, verdict, served, revalidate: false, ...(bytes ? { bytes } : {}) };
}

type Reading = {
  readonly copy: Copy;
  readonly verdict: Verdict;
  readonly why: string;
  readonly isStale: boolean;
  readonly checkedAtMs: number | undefined;
};

/** The copy that is here, as an answer. */
async function read(context: ProxyContext, question: ManifestQuestion, reading: Reading): Promise<ManifestOutcome> {
  const { place, reference, wants } = question;
  const { verdict, why, isStale, checkedAtMs } = reading;
  const { descriptor } = reading.copy;
  if (!descriptor) throw new RegistryError('INTERNAL', 'a copy was to be served that is not here');
  context.store.cache.touch(place.local, descriptor.digest);
  const warnings = isStale ? [`the copy of ${nameOf(place.local, reference)} may be out of date: ${why}`] : [];
  const served = servedHow(context, { verdict, reason: why, checkedAtMs, warnings });
  const common = { descriptor, verdict, served, revalidate: false };
  if (wants === 'descriptor') return common;
  const bytes = await bytesOf(context, place.local, descriptor.digest);
  context.platforms.learn(place.local, descriptor, bytes);
  return { ...common, bytes };
}

async function bytesOf({ store }: ProxyContext, repository: RepositoryName, digest: Digest): Promise<Uint8Array> {
  const here = await orUndefined(store.getManifest(repository, digest, KEEPER));
  if (here) return here.value.bytes;
  throw new RegistryError('UNAVAILABLE', `${repository}@${digest} left the cache this moment`, { hint: 'try again' });
}

type Gone = { readonly copy: Copy; readonly upstream: string };

async function noteIsNot(context: ProxyContext, question: ManifestQuestion, { copy, upstream }: Gone) {
  const { state, clock } = context;
  const { place, reference } = question;
  const nowMs = clock.now();
  // The tag alone leads to the copy from now on.
  if (copy.descriptor && !isDigest(reference)) {
    await keepTag(context, place, { tag: reference, digest: copy.descriptor.digest });
  }
  state.save({ repository: place.local, reference, checkedAtMs: nowMs, changedAtMs: nowMs, upstream });
}

async function forgetTag({ store }: ProxyContext, { place, reference, call }: ManifestQuestion): Promise<void> {
  if (!isDigest(reference)) await orUndefined(store.deleteTag(place.local, reference, sharedCall(call)));
}
