import type { OciCode } from '#core/oci';
import type { Call } from '#core/registry';
import type { FreshnessRule, ProxyRules, Verdict } from './types.ts';

/**
 * What is here of a reference.
 * - `negative`: nothing, and the upstream said lately that it has nothing;
 * - `gone`: a copy, of which the upstream said lately that it is no more;
 * - the others: a copy, by the time since the upstream was asked.
 */
export type Local = 'none' | 'negative' | 'gone' | 'fresh' | 'within-swr' | 'within-sie' | 'too-old';

/** All that the decision hangs on. */
export type Facts = {
  readonly local: Local;
  readonly reference: 'tag' | 'digest';
  readonly immutable: boolean;
  readonly offline: boolean;
  readonly patience: NonNullable<Call['freshness']>;
  /** The upstream's quota is down to the reserve: asking is free, fetching is not. */
  readonly reserved: boolean;
};

/** What to do before anybody is asked. */
export type Step =
  | {
      readonly kind: 'serve';
      readonly verdict: Extract<Verdict, 'hit' | 'stale-if-error' | 'offline'>;
      readonly isStale: boolean;
      /** Ask behind the answer's back. */
      readonly revalidate: boolean;
      readonly why: string;
    }
  /** Not found, as the upstream said lately. */
  | { readonly kind: 'negative'; readonly why: string }
  /** `resolve`: what is its digest (HEAD); `fetch`: its content (GET). Without `mayFetch` only the first. */
  | { readonly kind: 'ask'; readonly request: 'resolve' | 'fetch'; readonly mayFetch: boolean; readonly why: string }
  | {
      readonly kind: 'refuse';
      readonly code: Extract<OciCode, 'UPSTREAM_UNAVAILABLE' | 'TOOMANYREQUESTS' | 'MANIFEST_UNKNOWN'>;
      readonly why: string;
    };

/** A row holds where each fact named is one of those listed. Of the rows that hold the first counts. */
type Row<F, A> = { readonly name: string; readonly when: Match<F>; readonly result: A };
type Match<F> = { readonly [K in keyof F]?: readonly F[K][] };

const HERE: readonly Local[] = ['gone', 'fresh', 'within-swr', 'within-sie', 'too-old'];
const ABSENT: readonly Local[] = ['none', 'negative'];
const STALE: readonly Local[] = ['within-swr', 'within-sie', 'too-old'];

const serve = (
  verdict: Extract<Step, { kind: 'serve' }>['verdict'],
  why: string,
  more: { readonly isStale?: true; readonly revalidate?: true } = {},
): Step => ({ kind: 'serve', verdict, isStale: false, revalidate: false, ...more, why });
const resolve = (why: string, mayFetch = true): Step => ({ kind: 'ask', request: 'resolve', mayFetch, why });
const fetchIt = (why: string): Step => ({ kind: 'ask', request: 'fetch', mayFetch: true, why });
const refuse = (code: Extract<Step, { kind: 'refuse' }>['code'], why: string): Step => ({ kind: 'refuse', code, why });
const NEGATIVE: Step = { kind: 'negative', why: 'the upstream said lately that it has none' };
const DELETED = 'the upstream said lately that it is no more, and copies of what it deleted are kept';

/** The whole of freshness: the first row that holds decides. */
export const STEPS: readonly Row<Facts, Step>[] = [
  {
    name: 'a digest that is here',
    when: { reference: ['digest'], local: HERE },
    result: serve('hit', 'a digest never changes'),
  },
  {
    name: 'an immutable tag that is here',
    when: { immutable: [true], local: HERE },
    result: serve('hit', 'the rule says that the tag never changes'),
  },

  {
    name: 'offline, fresh',
    when: { offline: [true], local: ['fresh'] },
    result: serve('offline', 'the rule says that the upstream is never asked'),
  },
  {
    name: 'offline, any other copy',
    when: { offline: [true], local: HERE },
    result: serve('offline', 'the rule says that the upstream is never asked', { isStale: true }),
  },
  { name: 'offline, known to be absent', when: { offline: [true], local: ['negative'] }, result: NEGATIVE },
  {
    name: 'offline, unknown',
    when: { offline: [true] },
    result: refuse('UPSTREAM_UNAVAILABLE', 'it is not here, and the rule says that the upstream is never asked'),
  },

  {
    name: 'local, fresh',
    when: { patience: ['local'], local: ['fresh'] },
    result: serve('hit', 'the upstream was asked within freshFor'),
  },
  {
    name: 'local, any other copy',
    when: { patience: ['local'], local: HERE },
    result: serve('offline', 'only what is here was wanted', { isStale: true }),
  },
  { name: 'local, known to be absent', when: { patience: ['local'], local: ['negative'] }, result: NEGATIVE },
  {
    name: 'local, unknown',
    when: { patience: ['local'] },
    result: refuse('MANIFEST_UNKNOWN', 'it is not here, and only what is here was wanted'),
  },

  {
    name: 'at the reserve, known to be absent',
    when: { reserved: [true], local: ['negative'] },
    result: NEGATIVE,
  },
  {
    name: 'at the reserve, unknown',
    when: { reserved: [true], local: ['none'] },
    result: refuse('TOOMANYREQUESTS', 'it is not here, and the upstream’s quota is down to the reserve'),
  },

  {
    name: 'revalidate at the reserve',
    when: { patience: ['revalidate'], reserved: [true], local: HERE },
    result: resolve('it was to be asked again', false),
  },
  {
    name: 'revalidate a copy',
    when: { patience: ['revalidate'], local: HERE },
    result: resolve('it was to be asked again'),
  },
  {
    name: 'revalidate an absence',
    when: { patience: ['revalidate'], local: ABSENT },
    result: fetchIt('it was to be asked again'),
  },

  { name: 'absent', when: { local: ['negative'] }, result: NEGATIVE },
  { name: 'unknown', when: { local: ['none'] }, result: fetchIt('it is not here') },
  { name: 'fresh', when: { local: ['fresh'] }, result: serve('hit', 'the upstream was asked within freshFor') },
  { name: 'gone', when: { local: ['gone'] }, result: serve('stale-if-error', DELETED, { isStale: true }) },
  {
    name: 'stale while revalidating',
    when: { local: ['within-swr'] },
    result: serve('hit', 'it is past freshFor, within staleWhileRevalidate', { isStale: true, revalidate: true }),
  },
  {
    name: 'stale at the reserve',
    when: { reserved: [true], local: STALE },
    result: resolve('it is past freshFor', false),
  },
  { name: 'stale', when: { local: STALE }, result: resolve('it is past freshFor') },
];

/** What to do, before the upstream is asked. */
export function decide(facts: Facts): Step {
  return firstThatHolds(STEPS, facts).result;
}

/** What the upstream answered, as far as the decision needs it. */
export type AskOutcome = 'same' | 'moved' | 'gone' | Failure;
export type Failure = 'limited' | 'refused' | 'failed' | 'timeout' | 'invalid';

export type Judgement =
  | {
      readonly kind: 'serve';
      readonly from: 'copy' | 'answer';
      readonly verdict: Extract<Verdict, 'revalidated' | 'refreshed' | 'miss' | 'stale-if-error'>;
      /** To be written down: that it is so, or that it is no more. */
      readonly note: 'is' | 'is-not' | 'nothing';
    }
  /** Not found: because the upstream says so now (`note`), or said so lately. */
  | { readonly kind: 'unknown'; readonly note: 'is-not' | 'nothing'; readonly forget: boolean }
  | { readonly kind: 'fail'; readonly code: FailureCode };

export type FailureCode = Extract<
  OciCode,
  'TOOMANYREQUESTS' | 'UPSTREAM_DENIED' | 'UPSTREAM_UNAVAILABLE' | 'UPSTREAM_TIMEOUT' | 'UPSTREAM_INVALID'
>;

/** What a failure is called where there is no copy to serve. Never a 404, and never a 401 at which clients log in here. */
export const CODE_OF_FAILURE: Readonly<Record<Failure, FailureCode>> = {
  limited: 'TOOMANYREQUESTS',
  refused: 'UPSTREAM_DENIED',
  failed: 'UPSTREAM_UNAVAILABLE',
  timeout: 'UPSTREAM_TIMEOUT',
  invalid: 'UPSTREAM_INVALID',
};

type Asked = {
  readonly local: Local;
  readonly outcome: AskOutcome;
  readonly whenDeleted: ProxyRules['whenDeleted'];
};

const FAILURES: readonly AskOutcome[] = ['limited', 'refused', 'failed', 'timeout', 'invalid'];

type Verdicts = Exclude<Judgement, { kind: 'fail' }> | 'fail';

/** What an answer means, the first row that holds. `fail` takes its code from `CODE_OF_FAILURE`. */
export const JUDGEMENTS: readonly Row<Asked, Verdicts>[] = [
  {
    name: 'found where nothing was',
    when: { outcome: ['same', 'moved'], local: ABSENT },
    result: { kind: 'serve', from: 'answer', verdict: 'miss', note: 'is' },
  },
  {
    name: 'unchanged',
    when: { outcome: ['same'] },
    result: { kind: 'serve', from: 'copy', verdict: 'revalidated', note: 'is' },
  },
  {
    name: 'changed',
    when: { outcome: ['moved'] },
    result: { kind: 'serve', from: 'answer', verdict: 'refreshed', note: 'is' },
  },

  {
    name: 'not found',
    when: { outcome: ['gone'], local: ABSENT },
    result: { kind: 'unknown', note: 'is-not', forget: false },
  },
  {
    name: 'deleted, and kept here',
    when: { outcome: ['gone'], whenDeleted: ['keep'] },
    result: { kind: 'serve', from: 'copy', verdict: 'stale-if-error', note: 'is-not' },
  },
  {
    name: 'deleted, and forgotten here',
    when: { outcome: ['gone'] },
    result: { kind: 'unknown', note: 'is-not', forget: true },
  },

  {
    name: 'no answer, and it said "none" lately',
    when: { outcome: FAILURES, local: ['negative'] },
    result: { kind: 'unknown', note: 'nothing', forget: false },
  },
  {
    name: 'no answer, and a copy that may be served',
    when: { outcome: FAILURES, local: ['gone', 'fresh', 'within-swr', 'within-sie'] },
    result: { kind: 'serve', from: 'copy', verdict: 'stale-if-error', note: 'nothing' },
  },
  { name: 'no answer, and no copy that may be served', when: { outcome: FAILURES }, result: 'fail' },
];

/** What to make of the upstream's answer. */
export function judge(asked: Asked): Judgement {
  const { result } = firstThatHolds(JUDGEMENTS, asked);
  if (result !== 'fail') return result;
  return { kind: 'fail', code: CODE_OF_FAILURE[asked.outcome as Failure] };
}

function firstThatHolds<F extends object, A>(rows: readonly Row<F, A>[], facts: F): Row<F, A> {
  const row = rows.find(({ when }) => holds(when, facts));
  if (!row) throw new Error('the table of freshness has a gap');
  return row;
}

export function holds<F extends object>(when: Match<F>, facts: F): boolean {
  return (Object.keys(when) as (keyof F)[]).every((key) => when[key]?.includes(facts[key]) ?? true);
}

/** How a copy stands by the time since the upstream was asked about it. */
export function standingOf(
  rule: FreshnessRule,
  ageMs: number,
): Extract<Local, `within-${string}` | 'fresh' | 'too-old'> {
  // The clock was set back: nobody knows how old it is.
  if (ageMs < 0) return 'within-sie';
  if (ageMs < rule.freshForMs) return 'fresh';
  if (ageMs < rule.freshForMs + rule.staleWhileRevalidateMs) return 'within-swr';
  return ageMs < rule.freshForMs + rule.staleIfErrorMs ? 'within-sie' : 'too-old';
}
