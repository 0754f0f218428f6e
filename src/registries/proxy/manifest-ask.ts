import { type Descriptor, type Digest, isDigest, RegistryError, type TagName } from '#core/oci';
import { createSingleFlight, createSizedCache, type SingleFlight, type SizedCache } from '#core/std';
import { type Asked, askUpstream, sharedCall } from './ask.ts';
import type { ProxyContext } from './context.ts';
import { type Copy, descriptorHere, isReserved, KEEPER, type ManifestQuestion, orUndefined } from './copy.ts';
import { type Fetched, fetchManifest, keepManifest, keepTag } from './fetch.ts';
import type { AskOutcome, Step } from './freshness.ts';
import { refusedError } from './manifest-error.ts';

/** What came of asking: how the judge names it, and the content or descriptor that it brought. */
export type Learned = {
  readonly outcome: AskOutcome;
  readonly error?: RegistryError;
  readonly host: string;
  readonly descriptor?: Descriptor;
  readonly bytes?: Uint8Array;
  readonly warnings: readonly string[];
};

/** What asks the upstream about the manifests of one proxy. */
export type Asker = {
  readonly context: ProxyContext;
  readonly heads: SingleFlight<Asked<Descriptor>>;
  readonly gets: SingleFlight<Got>;
  /** Tags whose new digest is known and whose content is awaited: clients HEAD the tag, then GET the digest. */
  readonly awaited: SizedCache<ReadonlySet<TagName>>;
};

/** A GET, whose content is kept under these tags. */
type Got = { readonly asked: Fetched; readonly tags: readonly TagName[]; readonly kept: readonly string[] };

const AWAITED_BYTES = 2 * 1024 * 1024;
/** A digest has some names (`7`, `7.2`, `latest`); whoever makes up more gets them one by one. */
const AWAITED_TAGS = 16;
const AWAITED_ENTRY_BYTES = 400 + AWAITED_TAGS * 150;

export function createAsker(context: ProxyContext): Asker {
  return { context, heads: createSingleFlight(), gets: createSingleFlight(), awaited: createSizedCache(AWAITED_BYTES) };
}

type AskStep = { readonly copy: Copy; readonly step: Extract<Step, { kind: 'ask' }> };

/** A copy that may be served waits so long for the upstream's word: a hanging registry must not keep a pod from starting. */
const WORD_WITHIN_MS = 5_000;
const SERVED_ON_FAILURE: readonly Copy['local'][] = ['within-sie', 'gone'];

/** Asks as the decision says. What comes is kept and written down; a failure is an outcome, not thrown. */
export async function ask(asker: Asker, question: ManifestQuestion, asking: AskStep): Promise<Learned> {
  const learned = askAll(asker, question, asking);
  if (!SERVED_ON_FAILURE.includes(asking.copy.local)) return await learned;
  const late = Promise.withResolvers<Learned>();
  const timer = setTimeout(() => {
    // It goes on: what it brings is noted, and a failure counts.
    asker.context.background.run('asking the upstream', () => learned);
    late.resolve(silence(asker.context.host));
  }, WORD_WITHIN_MS);
  return await Promise.race([learned, late.promise]).finally(() => clearTimeout(timer));
}

function silence(host: string): Learned {
  const what = `${host} did not answer within ${WORD_WITHIN_MS / 1000} s`;
  const error = new RegistryError('UPSTREAM_TIMEOUT', what, { origin: 'upstream', upstream: { registry: host } });
  return { outcome: 'timeout', error, host, warnings: [] };
}

async function askAll(asker: Asker, question: ManifestQuestion, { copy, step }: AskStep): Promise<Learned> {
  const isHead = question.wants === 'descriptor';
  if (!isHead && step.request === 'fetch') return await fetchAs(asker, question, question.reference);
  const mayFetch = step.mayFetch && !(isHead && isReserved(asker.context));
  if (copy.pending !== undefined && mayFetch) return await fetchMoved(asker, question, copy.pending);
  const head = await askHead(asker, question, copy);
  if (head.outcome !== 'moved' || !head.descriptor) return head;
  // Who asks by HEAD of what is not here gets the word alone. Where an older copy is here the new one is fetched first:
  // a digest that is not to be had would fail the pull that the copy could have served.
  if (isHead && !copy.descriptor) return head;
  return await follow(asker, question, { head, digest: head.descriptor.digest, mayFetch });
}

type Moved = { readonly head: Learned; readonly digest: Digest; readonly mayFetch: boolean };

/** A tag that moved: its new content is here already, or is fetched. */
async function follow(asker: Asker, question: ManifestQuestion, { head, digest, mayFetch }: Moved): Promise<Learned> {
  const here = await takeFromHere(asker, question, digest);
  if (here) return { ...head, ...here };
  if (!mayFetch) return { ...head, outcome: 'limited', error: refusedError(asker.context, question, RESERVED) };
  return await fetchMoved(asker, question, digest);
}

async function fetchMoved(asker: Asker, question: ManifestQuestion, digest: Digest): Promise<Learned> {
  const fetched = await fetchAs(asker, question, digest);
  // Some delete a digest from under its tag; the tag is what was asked for.
  return fetched.outcome === 'gone' ? await fetchAs(asker, question, question.reference) : fetched;
}

const RESERVED: Extract<Step, { kind: 'refuse' }> = {
  kind: 'refuse',
  code: 'TOOMANYREQUESTS',
  why: 'it has changed, and the upstream’s quota is down to the reserve',
};

/** One HEAD, whoever asks and for what. It is free at most upstreams. */
async function askHead(asker: Asker, question: ManifestQuestion, copy: Copy): Promise<Learned> {
  const { context, heads } = asker;
  const { place, reference, call } = question;
  const asked = await heads.run(`${place.local} ${reference}`, async () => {
    const told = await askUpstream(context.upstreams, place.upstream, (reader, name) =>
      reader.resolveManifest(name, reference, sharedCall(call)),
    );
    // Noted before anybody hears of it: whoever comes next finds either this question or its answer.
    if (told.kind === 'answer') noteIs(asker, question, { descriptor: told.value, host: told.host });
    return told;
  });
  if (asked.kind !== 'answer') return { outcome: asked.kind, error: asked.error, host: asked.host, warnings: [] };
  const { value, host, warnings } = asked;
  const isSame = copy.descriptor?.digest === value.digest;
  if (!isDigest(reference)) {
    if (isSame) await keepTag(context, place, { tag: reference, digest: value.digest });
    else expectContent(asker, question, value.digest);
  }
  return { outcome: isSame ? 'same' : 'moved', descriptor: value, host, warnings };
}

function expectContent({ awaited }: Asker, { place, reference }: ManifestQuestion, digest: Digest): void {
  if (isDigest(reference)) return;
  const key = `${place.local}@${digest}`;
  const tags = awaited.get(key) ?? new Set();
  if (tags.size >= AWAITED_TAGS) return;
  awaited.set(key, new Set([...tags, reference]), AWAITED_ENTRY_BYTES);
}

/** A tag that moved to what is here already: nothing to fetch. */
async function takeFromHere({ context }: Asker, { place, reference }: ManifestQuestion, digest: Digest) {
  const { store } = context;
  const here = await descriptorHere(context, place.local, digest);
  if (!here || isDigest(reference)) return undefined;
  if (!(await keepTag(context, place, { tag: reference, digest }))) return undefined;
  const kept = await orUndefined(store.getManifest(place.local, digest, KEEPER));
  return kept && { descriptor: kept.value.descriptor, bytes: kept.value.bytes };
}

/** One GET, by the reference asked for or by the digest that its tag has moved to. What comes is kept and noted. */
async function fetchAs(
  asker: Asker,
  question: ManifestQuestion,
  reference: ManifestQuestion['reference'],
): Promise<Learned> {
  const { context, gets } = asker;
  const { place, call } = question;
  // A warm-up is refused earlier than others: nobody is to share that fate.
  const key = `${call.purpose === 'warm'} ${place.local} ${reference}`;
  const { asked, tags, kept } = await gets.run(key, () => get(asker, question, reference));
  if (asked.kind !== 'answer') return { outcome: asked.kind, error: asked.error, host: asked.host, warnings: [] };
  const { value, host, warnings } = asked;
  const { descriptor, bytes } = value;
  const tag = isDigest(question.reference) ? undefined : question.reference;
  if (tag && !tags.includes(tag)) await keepTag(context, place, { tag, digest: descriptor.digest });
  return { outcome: 'moved', descriptor, bytes, host, warnings: [...warnings, ...kept] };
}

async function get(asker: Asker, question: ManifestQuestion, reference: ManifestQuestion['reference']): Promise<Got> {
  const { context } = asker;
  const { local } = question.place;
  // It may have come while its absence was being found.
  const here = isDigest(reference) ? await orUndefined(context.store.getManifest(local, reference, KEEPER)) : undefined;
  if (here)
    return { asked: { kind: 'answer', value: here.value, host: context.host, warnings: [] }, tags: [], kept: [] };
  const asked = await fetchManifest(context, question, reference);
  if (asked.kind !== 'answer') return { asked, tags: [], kept: [] };
  const { descriptor, bytes } = asked.value;
  const tags = tagsOf(asker, question, descriptor.digest);
  const kept = await keepManifest(context, question.place, { descriptor, bytes, tags });
  context.platforms.learn(local, descriptor, bytes);
  // Of a tag whose digest was fetched the HEAD has been noted, with its own time.
  if (reference === question.reference) noteIs(asker, question, { descriptor, host: asked.host });
  return { asked, tags, kept };
}

/** The tags that a manifest is kept under: the one asked for, and those whose content it is that was awaited. */
function tagsOf({ context, awaited }: Asker, { place, reference }: ManifestQuestion, digest: Digest): TagName[] {
  const key = `${place.local}@${digest}`;
  const waiting = [...(awaited.get(key) ?? [])];
  awaited.delete(key);
  const current = waiting.filter((tag) => context.state.peek(place.local, tag)?.digest === digest);
  return [...new Set(isDigest(reference) ? current : [reference, ...current])];
}

type Said = { readonly descriptor: Descriptor; readonly host: string };

function noteIs({ context }: Asker, { place, reference, wants }: ManifestQuestion, { descriptor, host }: Said): void {
  const { state, clock } = context;
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
  state.save({ ...what, checkedAtMs, changedAtMs, upstream: host });
}
