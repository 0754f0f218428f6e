import type { Counts } from './state.ts';
import type { NamespaceCounters, Verdict } from './types.ts';

/** Counts of one namespace that are added to in place: pulls are many. */
export type Tally = {
  readonly verdicts: Map<Verdict, number>;
  bytesServed: number;
  bytesSaved: number;
  upstreamBytes: number;
  upstreamPulls: number;
};

export function newTally(): Tally {
  return { verdicts: new Map(), bytesServed: 0, bytesSaved: 0, upstreamBytes: 0, upstreamPulls: 0 };
}

export function addCounts(tally: Tally, counts: Counts): void {
  const { verdict } = counts;
  if (verdict) tally.verdicts.set(verdict, (tally.verdicts.get(verdict) ?? 0) + 1);
  tally.bytesServed += counts.bytesServed ?? 0;
  tally.bytesSaved += counts.bytesSaved ?? 0;
  tally.upstreamBytes += counts.upstreamBytes ?? 0;
  tally.upstreamPulls += counts.upstreamPulls ?? 0;
}

/** A number under the name that it is stored by. */
export type CounterRow = { readonly name: string; readonly value: number };
const VERDICT = 'verdict ';

export function rowsOf({ verdicts, ...numbers }: Tally): readonly CounterRow[] {
  const named = [...verdicts].map(([verdict, value]) => ({ name: `${VERDICT}${verdict}`, value }));
  const others = Object.entries(numbers).map(([name, value]) => ({ name, value }));
  return [...named, ...others].filter(({ value }) => value !== 0);
}

/** Counters from rows; those of one name are added up. */
export function numbersOf(rows: readonly CounterRow[]): Omit<NamespaceCounters, 'namespace' | 'sinceMs'> {
  const sums = new Map<string, number>();
  for (const { name, value } of rows) sums.set(name, (sums.get(name) ?? 0) + value);
  const verdicts = [...sums].flatMap(([name, value]) =>
    name.startsWith(VERDICT) ? [[name.slice(VERDICT.length), value] as const] : [],
  );
  return {
    verdicts: Object.fromEntries(verdicts),
    bytesServed: sums.get('bytesServed') ?? 0,
    bytesSaved: sums.get('bytesSaved') ?? 0,
    upstreamBytes: sums.get('upstreamBytes') ?? 0,
    upstreamPulls: sums.get('upstreamPulls') ?? 0,
  };
}
