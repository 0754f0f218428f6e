import { RegistryError } from '#core/oci';
import type { Call, ServedBy } from '#core/registry';
import type { Asked } from './ask.ts';
import { type Place, type ProxyContext, servedHow } from './context.ts';
import { decide, type Facts, judge, type Local, type Step, standingOf } from './freshness.ts';
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
  /** The upstream's list; undefined: it is too long to be kept. */
  ask(): Promise<Asked<readonly T[]> | undefined>;
  /** What is here, to stand in where the upstream does not answer. */
  here(): Promise<readonly T[]>;
  /** Thrown where the upstream says that there is no such repository. */
  nothing(): RegistryError;
};

export type ListStyle = {
  readonly what: 'tags' | 'referrers';
  /** "None" is asked again as soon as "not found" is: a signature often comes a little after its image. */
  readonly emptyIsNegative: boolean;
};

/** Lists by the same decision as manifests; what is here joins in where the upstream's word is old or missing. */
export function createListFlow<T>(context: ProxyContext, style: ListStyle) {
  const { state, clock, compiled } = context;

  const answer = async (question: ListQuestion<T>, source: ListSource<T>): Promise<Listing<T> | undefined> => {
    const { place, kind } = question;
    const known = await state.list<T>(place.local, kind);
    const here = await source.here();
    const facts = factsOf(question, known, here.length > 0);
    const step = decide(facts);
    if (step.kind === 'serve') return fromHere(known, here, { ...step, why: step.why });
    if (step.kind === 'negative') throw source.nothing();
    if (step.kind === 'refuse') return refused(here, step, question);
    const asked = await source.ask();
    if (asked === undefined) return undefined;
    return await conclude(question, source, { asked, known, here, local: facts.local });
  };

  const factsOf = ({ call }: ListQuestion<T>, known: KnownList<T> | undefined, isHere: boolean): Facts => ({
    local: localOf(known, isHere),
    reference: 'tag',
    immutable: false,
    offline: compiled.lists.offline,
    patience: call.freshness ?? 'default',
    // Lists are no pulls.
    reserved: false,
  });

  const localOf = (known: KnownList<T> | undefined, isHere: boolean): Local => {
    if (!known) return 'none';
    const ageMs = clock.now() - known.checkedAtMs;
    if (!known.isMissing) return standingOf(ruleOf(known), ageMs);
    const isLately = ageMs >= 0 && ageMs < compiled.lists.negativeForMs;
    if (!isLately) return 'none';
    return isHere ? 'gone' : 'negative';
  };

  const ruleOf = ({ items }: KnownList<T>): FreshnessRule => {
    const { lists } = compiled;
    if (!style.emptyIsNegative || items.length > 0) return lists;
    return { ...lists, freshForMs: Math.min(lists.freshForMs, lists.negativeForMs) };
  };

  type Way = {
    readonly verdict: Verdict;
    readonly isStale: boolean;
    readonly why: string;
    readonly revalidate?: boolean;
  };

  const fromHere = (known: KnownList<T> | undefined, here: readonly T[], way: Way): Listing<T> => {
    const { verdict, isStale, why, revalidate = false } = way;
    const items = joined(known?.items ?? [], here, isStale);
    const isPartial = known === undefined || known.isMissing === true;
    const warning = isPartial
      ? `only the ${style.what} that are here are listed: ${why}`
      : `the list of ${style.what} may be out of date: ${why}`;
    const how = { verdict, reason: why, checkedAtMs: known?.checkedAtMs, warnings: isStale ? [warning] : [] };
    return { items, verdict, revalidate, served: servedHow(context, how) };
  };

  /** Tags that the upstream deleted are kept, so they are shown; a referrer that it deleted is not, while it answers. */
  const joined = (items: readonly T[], here: readonly T[], isStale: boolean): readonly T[] => {
    const isShown = isStale || (style.what === 'tags' && compiled.whenDeleted === 'keep');
    return isShown && here.length > 0 ? [...items, ...here] : items;
  };

  const refused = (here: readonly T[], step: Extract<Step, { kind: 'refuse' }>, { place }: ListQuestion<T>) => {
    if (here.length > 0 || style.what === 'referrers') {
      return fromHere(undefined, here, { verdict: 'offline', isStale: true, why: step.why });
    }
    const code = step.code === 'MANIFEST_UNKNOWN' ? 'NAME_UNKNOWN' : step.code;
    throw new RegistryError(code, `nothing of ${place.local} is here`, { why: step.why });
  };

  type Outcome = {
    readonly asked: Asked<readonly T[]>;
    readonly known: KnownList<T> | undefined;
    readonly here: readonly T[];
    readonly local: Local;
  };

  const conclude = async (
    { place, kind }: ListQuestion<T>,
    source: ListSource<T>,
    outcome: Outcome,
  ): Promise<Listing<T>> => {
    const { asked, known, here, local } = outcome;
    const note = { repository: place.local, kind, checkedAtMs: clock.now() };
    if (asked.kind === 'answer') {
      const list: KnownList<T> = { ...note, items: asked.value };
      state.saveList(list);
      const before = local === 'none' || local === 'negative' || local === 'gone' ? undefined : known;
      const verdict = before === undefined ? 'miss' : isSame(before.items, asked.value) ? 'revalidated' : 'refreshed';
      const reason = 'the upstream was asked';
      const served = servedHow(context, {
        verdict,
        reason,
        checkedAtMs: note.checkedAtMs,
        upstream: asked.host,
        warnings: asked.warnings,
      });
      return { items: joined(asked.value, here, false), verdict, served, revalidate: false };
    }
    if (asked.kind === 'gone') state.saveList<T>({ ...note, items: [], isMissing: true });
    const judgement = judge({ local, outcome: asked.kind, whenDeleted: compiled.whenDeleted });
    const why = [asked.error.message, asked.error.why].filter(Boolean).join(': ');
    const isGone = asked.kind === 'gone';
    if (judgement.kind === 'serve')
      return fromHere(isGone ? undefined : known, here, { verdict: 'stale-if-error', isStale: true, why });
    if (here.length > 0) return fromHere(undefined, here, { verdict: 'stale-if-error', isStale: true, why });
    if (judgement.kind === 'unknown') throw source.nothing();
    throw asked.error;
  };

  return { answer };
}

function isSame(one: readonly unknown[], other: readonly unknown[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
