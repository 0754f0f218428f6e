import { RegistryError } from '#core/oci';
import type { Call, ServedBy } from '#core/registry';
import type { Asked } from './ask.ts';
import { type Place, type ProxyContext, servedHow } from './context.ts';
import { decide, judge, type Local, type Step, standingOf } from './freshness.ts';
import type { FreshnessRule, KnownList, Verdict } from './types.ts';

/** A whole list, and how it was come by. */
export type Listing<T> = {
  readonly items: readonly T[];
  readonly verdict: Verdict;
  readonly served: ServedBy;
  /** The upstream is to be asked behind the answer's back. */
  readonly revalidate: boolean;
};

export type ListQuestion<T> = {
  readonly place: Place;
  readonly kind: KnownList<T>['kind'];
  readonly call: Call;
};

export type ListSource<T> = {
  readonly what: 'tags' | 'referrers';
  /** "None" is asked again as soon as "not found" is: a signature often comes a little after its image. */
  readonly emptyIsNegative: boolean;
  /** The upstream's list; undefined: it is too long to be kept. */
  ask(): Promise<Asked<readonly T[]> | undefined>;
  /** What is here, to stand in where the upstream does not answer. */
  here(): Promise<readonly T[]>;
  /** Thrown where the upstream says that there is no such repository. */
  nothing(): RegistryError;
};

type Look<T> = {
  readonly question: ListQuestion<T>;
  readonly source: ListSource<T>;
  readonly known: KnownList<T> | undefined;
  readonly here: readonly T[];
};

/** A list by the same decision as a manifest; what is here joins in where the upstream's word is old or missing. */
export async function answerList<T>(
  context: ProxyContext,
  question: ListQuestion<T>,
  source: ListSource<T>,
): Promise<Listing<T> | undefined> {
  const known = await context.state.list<T>(question.place.local, question.kind);
  const look: Look<T> = { question, source, known, here: await source.here() };
  const local = localOf(context, look);
  const step = decide({
    local,
    reference: 'tag',
    immutable: false,
    offline: context.compiled.lists.offline,
    patience: question.call.freshness ?? 'default',
    // Lists are no pulls.
    reserved: false,
  });
  if (step.kind === 'serve') return fromHere(context, look, step);
  if (step.kind === 'negative') throw source.nothing();
  if (step.kind === 'refuse') return refused(context, look, step);
  const asked = await source.ask();
  if (asked === undefined) return undefined;
  return asked.kind === 'answer' ? told(context, look, { asked, local }) : failed(context, look, { asked, local });
}

function localOf<T>({ clock, compiled }: ProxyContext, { known, here, source }: Look<T>): Local {
  if (!known) return 'none';
  const ageMs = clock.now() - known.checkedAtMs;
  if (!known.isMissing) return standingOf(ruleOf(compiled.lists, source, known), ageMs);
  if (ageMs < 0 || ageMs >= compiled.lists.negativeForMs) return 'none';
  return here.length > 0 ? 'gone' : 'negative';
}

function ruleOf<T>(lists: FreshnessRule, { emptyIsNegative }: ListSource<T>, { items }: KnownList<T>): FreshnessRule {
  if (!emptyIsNegative || items.length > 0) return lists;
  return { ...lists, freshForMs: Math.min(lists.freshForMs, lists.negativeForMs) };
}

type Way = {
  readonly verdict: Verdict;
  readonly isStale: boolean;
  readonly why: string;
  readonly revalidate?: boolean;
};

function fromHere<T>(context: ProxyContext, look: Look<T>, way: Way): Listing<T> {
  const { known, source } = look;
  const { verdict, isStale, why, revalidate = false } = way;
  const isPartial = known === undefined || known.isMissing === true;
  const warning = isPartial
    ? `only the ${source.what} that are here are listed: ${why}`
    : `the list of ${source.what} may be out of date: ${why}`;
  const warnings = isStale ? [warning] : [];
  const served = servedHow(context, { verdict, reason: why, checkedAtMs: known?.checkedAtMs, warnings });
  return { items: joined(context, look, { items: known?.items ?? [], isStale }), verdict, revalidate, served };
}

type Items<T> = { readonly items: readonly T[]; readonly isStale: boolean };

/** Tags that the upstream deleted are kept, so they are shown; a referrer that it deleted is not, while it answers. */
function joined<T>({ compiled }: ProxyContext, { here, source }: Look<T>, { items, isStale }: Items<T>): readonly T[] {
  const isShown = isStale || (source.what === 'tags' && compiled.whenDeleted === 'keep');
  return isShown && here.length > 0 ? [...items, ...here] : items;
}

function refused<T>(context: ProxyContext, look: Look<T>, step: Extract<Step, { kind: 'refuse' }>): Listing<T> {
  const { here, source, question } = look;
  if (here.length > 0 || source.what === 'referrers') {
    return fromHere(context, look, { verdict: 'offline', isStale: true, why: step.why });
  }
  const code = step.code === 'MANIFEST_UNKNOWN' ? 'NAME_UNKNOWN' : step.code;
  throw new RegistryError(code, `nothing of ${question.place.local} is here`, { why: step.why });
}

type Answer<T> = { readonly asked: Extract<Asked<readonly T[]>, { kind: 'answer' }>; readonly local: Local };

function told<T>(context: ProxyContext, look: Look<T>, { asked, local }: Answer<T>): Listing<T> {
  const { place, kind } = look.question;
  const { value, host, warnings } = asked;
  const checkedAtMs = context.clock.now();
  context.state.saveList<T>({ repository: place.local, kind, items: value, checkedAtMs });
  const verdict = verdictOf(look, value, local);
  const reason = 'the upstream was asked';
  const served = servedHow(context, { verdict, reason, checkedAtMs, upstream: host, warnings });
  return { items: joined(context, look, { items: value, isStale: false }), verdict, served, revalidate: false };
}

function verdictOf<T>({ known }: Look<T>, items: readonly T[], local: Local): Verdict {
  if (!known || local === 'none' || local === 'negative' || local === 'gone') return 'miss';
  return JSON.stringify(known.items) === JSON.stringify(items) ? 'revalidated' : 'refreshed';
}

type NoAnswer<T> = { readonly asked: Exclude<Asked<readonly T[]>, { kind: 'answer' }>; readonly local: Local };

function failed<T>(context: ProxyContext, look: Look<T>, { asked, local }: NoAnswer<T>): Listing<T> {
  const { place, kind } = look.question;
  const isGone = asked.kind === 'gone';
  const note = { repository: place.local, kind, checkedAtMs: context.clock.now() };
  if (isGone) context.state.saveList<T>({ ...note, items: [], isMissing: true });
  const judgement = judge({ local, outcome: asked.kind, whenDeleted: context.compiled.whenDeleted });
  const why = [asked.error.message, asked.error.why].filter(Boolean).join(': ');
  const way: Way = { verdict: 'stale-if-error', isStale: true, why };
  if (judgement.kind === 'serve') return fromHere(context, isGone ? { ...look, known: undefined } : look, way);
  const mayShow = !isGone || context.compiled.whenDeleted === 'keep';
  if (look.here.length > 0 && mayShow) return fromHere(context, { ...look, known: undefined }, way);
  if (judgement.kind === 'unknown') throw look.source.nothing();
  throw asked.error;
}
