/** What a suite works with. */
export type BenchContext = {
  /** A folder for this run, taken away afterwards. */
  readonly folder: string;
  /** Layers that are the same in every run stay here. */
  readonly cache: string;
  /** Interleaved repetitions; medians are over these. */
  readonly runs: number;
  /** Length of one load measurement. */
  readonly seconds: number;
  /** Progress, to stderr. */
  readonly say: (line: string) => void;
};

/** A promise of the project next to what was measured. */
export type Goal = {
  readonly name: string;
  readonly measured: number;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly unit: string;
};

export type Table = { readonly title: string; readonly rows: readonly Readonly<Record<string, string | number>>[] };

export type Report = {
  readonly tables: readonly Table[];
  readonly goals: readonly Goal[];
  /** Every single measurement, for the file. */
  readonly raw: unknown;
  /** What was not measured, and why. */
  readonly missing: readonly string[];
};

export type Suite = {
  readonly name: string;
  readonly about: string;
  readonly run: (context: BenchContext) => Promise<Report>;
};

export function met(goal: Goal): boolean {
  return (
    goal.measured >= (goal.atLeast ?? Number.NEGATIVE_INFINITY) &&
    goal.measured <= (goal.atMost ?? Number.POSITIVE_INFINITY)
  );
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** Ours ÷ theirs, run by run, then the median: a machine that slows down for a while slows both of a pair. */
export function pairRatio(ours: readonly number[], theirs: readonly number[]): number {
  return median(ours.map((value, run) => value / (theirs[run] ?? Number.NaN)));
}

/** At most three significant figures: there is no more truth in a measurement. */
export function round(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(3)) : value;
}

export const megabytes = (bytes: number) => round(bytes / 1e6);
