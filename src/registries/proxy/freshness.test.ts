import { describe, expect, test } from 'bun:test';
import {
  type AskOutcome,
  CODE_OF_FAILURE,
  decide,
  type Facts,
  type Failure,
  holds,
  JUDGEMENTS,
  judge,
  type Local,
  STEPS,
  standingOf,
} from './freshness.ts';
import { RULES } from './proxy.fake.ts';

const LOCALS: readonly Local[] = ['none', 'negative', 'gone', 'fresh', 'within-swr', 'within-sie', 'too-old'];
const PATIENCE: readonly Facts['patience'][] = ['default', 'revalidate', 'local'];
const YES_NO = [false, true];
const ALL: readonly Facts[] = LOCALS.flatMap((local) =>
  (['tag', 'digest'] as const).flatMap((reference) =>
    YES_NO.flatMap((immutable) =>
      YES_NO.flatMap((offline) =>
        PATIENCE.flatMap((patience) =>
          YES_NO.map((reserved) => ({ local, reference, immutable, offline, patience, reserved })),
        ),
      ),
    ),
  ),
);

/**
 * The words of the table: `hit`, `stale` (served as stale-if-error, unasked), `offline`, `OFFLINE` (the same and past
 * freshFor), `swr` (hit, and asked behind), `negative`, `head` (may fetch), `HEAD` (may not), `get`, or a code.
 */
function word(facts: Facts): string {
  const step = decide(facts);
  if (step.kind === 'negative') return 'negative';
  if (step.kind === 'refuse') return step.code;
  if (step.kind === 'ask') return step.request === 'fetch' ? 'get' : step.mayFetch ? 'head' : 'HEAD';
  if (step.revalidate) return 'swr';
  if (step.verdict === 'stale-if-error') return 'stale';
  return step.verdict === 'offline' && step.isStale ? 'OFFLINE' : step.verdict;
}

/** What a tag that moves is answered with, in every state and mode. Rows are what is here, columns how it is asked. */
const MODES = ['default', 'default reserved', 'revalidate', 'revalidate reserved', 'local', 'offline'] as const;
const TAGS: Readonly<Record<Local, readonly string[]>> = {
  //            default     reserved           revalidate  and reserved       local               offline
  none: ['get', 'TOOMANYREQUESTS', 'get', 'TOOMANYREQUESTS', 'MANIFEST_UNKNOWN', 'UPSTREAM_UNAVAILABLE'],
  negative: ['negative', 'negative', 'get', 'negative', 'negative', 'negative'],
  gone: ['stale', 'stale', 'head', 'HEAD', 'OFFLINE', 'OFFLINE'],
  fresh: ['hit', 'hit', 'head', 'HEAD', 'hit', 'offline'],
  'within-swr': ['swr', 'swr', 'head', 'HEAD', 'OFFLINE', 'OFFLINE'],
  'within-sie': ['head', 'HEAD', 'head', 'HEAD', 'OFFLINE', 'OFFLINE'],
  'too-old': ['head', 'HEAD', 'head', 'HEAD', 'OFFLINE', 'OFFLINE'],
};

/** The column of a question; how patient it is matters no more once the upstream is never asked. */
function modeOf({ offline, patience, reserved }: Facts): (typeof MODES)[number] {
  if (offline) return 'offline';
  if (patience === 'local') return 'local';
  return reserved ? `${patience} reserved` : patience;
}

describe('before the upstream is asked', () => {
  test('every combination has its answer', () => {
    const wrong = ALL.filter((facts) => {
      const isHere = facts.local !== 'none' && facts.local !== 'negative';
      const never = (facts.immutable || facts.reference === 'digest') && isHere;
      const expected = never ? 'hit' : TAGS[facts.local][MODES.indexOf(modeOf(facts))];
      return word(facts) !== expected;
    });
    expect(wrong.map((facts) => ({ ...facts, word: word(facts) }))).toEqual([]);
    expect(ALL.length).toBe(7 * 2 * 2 * 2 * 3 * 2);
  });

  test('every row of the table decides something, and there is no gap', () => {
    const first = ALL.map((facts) => STEPS.find(({ when }) => holds(when, facts))?.name);
    expect(new Set(first)).toEqual(new Set(STEPS.map(({ name }) => name)));
  });
});

const OUTCOMES: readonly AskOutcome[] = ['same', 'moved', 'gone', 'limited', 'refused', 'failed', 'timeout', 'invalid'];
const FAILURES: readonly Failure[] = ['limited', 'refused', 'failed', 'timeout', 'invalid'];

/** `verdict from note`, `404 note`, or the code of a failure. */
function judged(local: Local, outcome: AskOutcome, whenDeleted: 'keep' | 'forget'): string {
  const judgement = judge({ local, outcome, whenDeleted });
  if (judgement.kind === 'serve') return `${judgement.verdict} ${judgement.from} ${judgement.note}`;
  if (judgement.kind === 'fail') return judgement.code;
  return `404 ${judgement.note}${judgement.forget ? ' forget' : ''}`;
}

type Row = { readonly local: Local; readonly same: string; readonly moved: string; readonly kept: string };
/** `kept`, `forgotten`: the upstream says "not found", by what is to become of copies. `failure`: it does not answer. */
const AFTER: readonly (Row & { readonly forgotten: string; readonly failure: string })[] = [
  {
    local: 'none',
    same: 'miss answer is',
    moved: 'miss answer is',
    kept: '404 is-not',
    forgotten: '404 is-not',
    failure: 'its code',
  },
  {
    local: 'negative',
    same: 'miss answer is',
    moved: 'miss answer is',
    kept: '404 is-not',
    forgotten: '404 is-not',
    failure: '404 nothing',
  },
  ...(['gone', 'fresh', 'within-swr', 'within-sie', 'too-old'] as const).map((local) => ({
    local,
    same: 'revalidated copy is',
    moved: 'refreshed answer is',
    kept: 'stale-if-error copy is-not',
    forgotten: '404 is-not forget',
    failure: local === 'too-old' ? 'its code' : 'stale-if-error copy nothing',
  })),
];

describe('after the upstream was asked', () => {
  for (const row of AFTER) {
    test(`${row.local}, every outcome`, () => {
      const { local } = row;
      expect(OUTCOMES.map((outcome) => judged(local, outcome, 'keep'))).toEqual([
        row.same,
        row.moved,
        row.kept,
        ...FAILURES.map((failure) => (row.failure === 'its code' ? CODE_OF_FAILURE[failure] : row.failure)),
      ]);
      expect(judged(local, 'gone', 'forget')).toBe(row.forgotten);
    });
  }

  test('every row of the table judges something', () => {
    const first = LOCALS.flatMap((local) =>
      OUTCOMES.flatMap((outcome) =>
        (['keep', 'forget'] as const).map(
          (whenDeleted) => JUDGEMENTS.find(({ when }) => holds(when, { local, outcome, whenDeleted }))?.name,
        ),
      ),
    );
    expect(new Set(first)).toEqual(new Set(JUDGEMENTS.map(({ name }) => name)));
  });

  test('a failure is never "not found", unless the upstream said so lately', () => {
    for (const local of LOCALS) {
      if (local === 'negative') continue;
      for (const failure of FAILURES) {
        for (const whenDeleted of ['keep', 'forget'] as const) {
          expect(judge({ local, outcome: failure, whenDeleted }).kind).not.toBe('unknown');
        }
      }
    }
  });
});

describe('how old a copy is', () => {
  const rule = { ...RULES.freshness, freshForMs: 10, staleWhileRevalidateMs: 5, staleIfErrorMs: 100 };
  for (const [name, ageMs, expected] of [
    ['just asked', 0, 'fresh'],
    ['the last moment of freshFor', 9, 'fresh'],
    ['the end of freshFor', 10, 'within-swr'],
    ['the end of staleWhileRevalidate', 15, 'within-sie'],
    ['the last moment of staleIfError, which begins after freshFor', 109, 'within-sie'],
    ['the end of staleIfError', 110, 'too-old'],
    ['the clock was set back', -1, 'within-sie'],
  ] as const) {
    test(name, () => expect(standingOf(rule, ageMs)).toBe(expected));
  }
  test('staleIfError of nothing', () => {
    expect(standingOf({ ...rule, staleIfErrorMs: 0, staleWhileRevalidateMs: 0 }, 10)).toBe('too-old');
  });
});
