import {
  type Descriptor,
  type Digest,
  isDigest,
  isRegistryError,
  RegistryError,
  type RepositoryName,
  type TagName,
} from '#core/oci';
import type { ManifestAnswer, ServedBy } from '#core/registry';
import { createSingleFlight, createSizedCache } from '#core/std';
import { type Asked, askUpstream, sharedCall } from './ask.ts';
import { type ProxyContext, servedHow } from './context.ts';
import { type Copy, descriptorHere, factsOf, KEEPER, lookAt, type ManifestQuestion } from './copy.ts';
import { fetchManifest, keepManifest } from './fetch.ts';
import { type AskOutcome, decide, type Judgement, judge, type Step } from './freshness.ts';
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

/** What came of asking: how the judge names it, and the content or descriptor that it brought. */
type Learned = {
  readonly outcome: AskOutcome;
  readonly error?: RegistryError;
  readonly host: string;
  readonly descriptor?: Descriptor;
  readonly bytes?: Uint8Array;
  readonly warnings: readonly string[];
};

/** Tags whose new digest is known and whose content is awaited: clients HEAD the tag, then GET the digest. */
const AWAITED_BYTES = 2 * 1024 * 1024;
const AWAITED_ENTRY_BYTES = 400;

/** Answers one question: looks, decides, asks, judges. Whoever calls sees to it that a question is asked once at a time. */
export function createManifestFlow(context: ProxyContext) {
  const { state, store, clock } = context;
  const heads = createSingleFlight<Asked<Descriptor>>();
  const awaited = createSizedCache<Set<TagName>>(AWAITED_BYTES);

  async function answer(question: ManifestQuestion): Promise<ManifestOutcome> {
    const copy = await lookAt(context, question);
    const step = decide(factsOf(context, question, copy));
    if (step.kind === 'serve') return await serveCopy(question, copy, step);
    if (step.kind === 'negative') throw unknownError(context, question, undefined, copy.known?.checkedAtMs);
    if (step.kind === 'refuse') throw refusedError(context, question, step);
    // Somebody was told something while we looked: then there may be nothing left to ask.
    const latest = state.peek(question.place.local, question.reference);
    if (latest !== undefined && latest !== copy.known) return await answer(question);
    const learned = await ask(question, copy, step);
    const judgement = judge({ local: copy.local, outcome: learned.outcome, whenDeleted: context.compiled.whenDeleted });
    return await conclude(question, copy, { learned, judgement });
  }

  async function ask(question: ManifestQuestion, copy: Copy, step: Extract<Step, { kind: 'ask' }>): Promise<Learned> {
    if (question.wants === 'descriptor') return await askHead(question, copy);
    if (step.request === 'fetch') return await fetchAs(question, question.reference);
    if (copy.pending !== undefined && step.mayFetch) return await fetchAs(question, copy.pending);
    const head = await askHead(question, copy);
    if (head.outcome !== 'moved' || !head.descriptor) return head;
    const { digest } = head.descriptor;
    const here = await takeFromHere(question, head, digest);
    if (here) return here;
    if (step.mayFetch) {
      const fetched = await fetchAs(question, digest);
      // Some delete a digest from under its tag; the tag is what was asked for.
      return fetched.outcome === 'gone' ? await fetchAs(question, question.reference) : fetched;
    }
    return { ...head, outcome: 'limited', error: refusedError(context, question, RESERVED) };
  }

  /** One HEAD, whoever asks and for what. It is free at most upstreams. */
  async function askHead(question: ManifestQuestion, copy: Copy): Promise<Learned> {
    const { place, reference, call } = question;
    const asked = await heads.run(`${place.local} ${reference}`, () =>
      askUpstream(context.upstreams, place.upstream, (reader, name) =>
        reader.resolveManifest(name, reference, sharedCall(call)),
      ),
    );
    if (asked.kind !== 'answer') return { outcome: asked.kind, error: asked.error, host: asked.host, warnings: [] };
    const { value, host, warnings } = asked;
    const isSame = copy.descriptor?.digest === value.digest && copy.local !== 'none';
    noteIs(question, value, host);
    if (isSame && !isDigest(reference)) await store.cache.keepTag(place.local, reference, value.digest);
    if (!isSame && !isDigest(reference)) expectContent(place.local, value.digest, reference);
    return { outcome: isSame ? 'same' : 'moved', descriptor: value, host, warnings };
  }

  function expectContent(repository: RepositoryName, digest: Digest, tag: TagName): void {
    const key = `${repository}@${digest}`;
    awaited.set(key, (awaited.get(key) ?? new Set()).add(tag), AWAITED_ENTRY_BYTES);
  }

  /** A tag that moved to what is here already: nothing to fetch. */
  async function takeFromHere(question: ManifestQuestion, head: Learned, digest: Digest): Promise<Learned | undefined> {
    const { place, reference } = question;
    const here = await descriptorHere(context, place.local, digest);
    if (!here || isDigest(reference)) return undefined;
    if (!(await store.cache.keepTag(place.local, reference, digest))) return undefined;
    const { value } = await store.getManifest(place.local, digest, KEEPER);
    return { ...head, descriptor: value.descriptor, bytes: value.bytes };
  }

  /** One GET, by the reference asked for or by the digest that its tag has moved to. What comes is kept and noted. */
  async function fetchAs(question: ManifestQuestion, reference: ManifestQuestion['reference']): Promise<Learned> {
    const { place } = question;
    const asked = await fetchManifest(context, question, reference);
    if (asked.kind !== 'answer') return { outcome: asked.kind, error: asked.error, host: asked.host, warnings: [] };
    const { value, host } = asked;
    const warnings = [...asked.warnings, ...(await keep(question, value))];
    noteIs(question, value.descriptor, host);
    context.platforms.learn(place.local, value.descriptor, value.bytes);
    return { outcome: 'moved', descriptor: value.descriptor, bytes: value.bytes, host, warnings };
  }

  async function keep({ place, reference }: ManifestQuestion, manifest: ManifestAnswer): Promise<readonly string[]> {
    const { digest } = manifest.descriptor;
    const key = `${place.local}@${digest}`;
    const waiting = [...(awaited.get(key) ?? [])].filter((tag) => state.peek(place.local, tag)?.digest === digest);
    awaited.delete(key);
    const own = isDigest(reference) ? [] : [reference];
    return await keepManifest(context, place, manifest, [...new Set([...own, ...waiting])]);
  }

  function noteIs({ place, reference, wants }: ManifestQuestion, descriptor: Descriptor, upstream: string): void {
    const known = state.peek(place.local, reference);
    if (isDigest(reference) && wants === 'manifest') {
      // A digest that is here needs no note; that it was not there before is no longer true.
      if (known) state.forget(place.local, reference);
      return;
    }
    const { digest, mediaType, size } = descriptor;
    const checkedAtMs = clock.now();
    const changedAtMs = known?.digest === digest ? known.changedAtMs : checkedAtMs;
    const what = { repository: place.local, reference, digest, mediaType, sizeBytes: size };
    state.save({ ...what, checkedAtMs, changedAtMs, upstream });
  }

  async function noteIsNot({ place, reference }: ManifestQuestion, copy: Copy, upstream: string): Promise<void> {
    const nowMs = clock.now();
    // The tag alone leads to the copy from now on.
    if (copy.descriptor && !isDigest(reference)) {
      await store.cache.keepTag(place.local, reference, copy.descriptor.digest);
    }
    state.save({ repository: place.local, reference, checkedAtMs: nowMs, changedAtMs: nowMs, upstream });
  }

  type Conclusion = { readonly learned: Learned; readonly judgement: Judgement };

  async function conclude(question: ManifestQuestion, copy: Copy, { learned, judgement }: Conclusion) {
    const { error, host } = learned;
    if (judgement.kind === 'fail') {
      if (!error) throw new RegistryError('INTERNAL', 'a question failed without an error');
      throw failedError(context, question, { code: judgement.code, error, copy });
    }
    if (judgement.note === 'is-not') await noteIsNot(question, copy, host);
    if (judgement.kind === 'unknown') {
      if (judgement.forget) await forgetTag(question);
      throw unknownError(context, question, judgement.note === 'is-not' ? error : undefined, copy.known?.checkedAtMs);
    }
    if (judgement.from === 'copy') return await serveAsked(question, copy, { learned, verdict: judgement.verdict });
    return outcomeOf(question, learned, judgement.verdict);
  }

  function outcomeOf(question: ManifestQuestion, learned: Learned, verdict: Verdict): ManifestOutcome {
    const { descriptor, bytes, host, warnings } = learned;
    if (!descriptor) throw new RegistryError('INTERNAL', 'an answer brought nothing');
    const reason = verdict === 'miss' ? 'it was not here' : 'the tag had moved';
    const checkedAtMs = isDigest(question.reference) ? undefined : clock.now();
    const served = servedHow(context, { verdict, reason, checkedAtMs, upstream: host, warnings });
    return { descriptor, verdict, served, revalidate: false, ...(bytes ? { bytes } : {}) };
  }

  async function forgetTag({ place, reference, call }: ManifestQuestion): Promise<void> {
    if (isDigest(reference)) return;
    try {
      await store.deleteTag(place.local, reference, sharedCall(call));
    } catch (thrown) {
      if (!isRegistryError(thrown, 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN')) throw thrown;
    }
  }

  async function serveAsked(question: ManifestQuestion, copy: Copy, how: { learned: Learned; verdict: Verdict }) {
    const { learned, verdict } = how;
    if (verdict === 'revalidated') {
      return await read(question, copy, {
        verdict,
        why: 'the upstream has the same',
        isStale: false,
        checkedAtMs: clock.now(),
      });
    }
    const { error } = learned;
    const why = error ? [error.message, error.why].filter(Boolean).join(': ') : 'the upstream did not answer';
    return await read(question, copy, { verdict, why, isStale: true, checkedAtMs: copy.known?.checkedAtMs });
  }

  async function serveCopy(question: ManifestQuestion, copy: Copy, step: Extract<Step, { kind: 'serve' }>) {
    const checkedAtMs = isDigest(question.reference) ? undefined : copy.known?.checkedAtMs;
    const outcome = await read(question, copy, { ...step, checkedAtMs });
    return { ...outcome, revalidate: step.revalidate };
  }

  type Reading = { verdict: Verdict; why: string; isStale: boolean; checkedAtMs: number | undefined };

  async function read(
    { place, reference, wants }: ManifestQuestion,
    copy: Copy,
    how: Reading,
  ): Promise<ManifestOutcome> {
    const { descriptor } = copy;
    if (!descriptor) throw new RegistryError('INTERNAL', 'a copy was to be served that is not here');
    store.cache.touch(place.local, descriptor.digest);
    const { verdict, why, isStale, checkedAtMs } = how;
    const warnings = isStale ? [`the copy of ${nameOf(place.local, reference)} may be out of date: ${why}`] : [];
    const served = servedHow(context, { verdict, reason: why, checkedAtMs, warnings });
    const common = { verdict, served, revalidate: false };
    if (wants === 'descriptor') return { descriptor, ...common };
    const bytes = await bytesOf(place.local, descriptor.digest);
    context.platforms.learn(place.local, descriptor, bytes);
    return { descriptor, bytes, ...common };
  }

  async function bytesOf(repository: RepositoryName, digest: Digest): Promise<Uint8Array> {
    try {
      return (await store.getManifest(repository, digest, KEEPER)).value.bytes;
    } catch (thrown) {
      if (!isRegistryError(thrown, 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN')) throw thrown;
      throw new RegistryError('UNAVAILABLE', `${repository}@${digest} left the cache this moment`, {
        hint: 'try again',
        cause: thrown,
      });
    }
  }

  return { answer };
}

const RESERVED: Extract<Step, { kind: 'refuse' }> = {
  kind: 'refuse',
  code: 'TOOMANYREQUESTS',
  why: 'it has changed, and the upstream’s quota is down to the reserve',
};
