import { whyNot } from '../../test/harness/need.ts';
import { distribution, entrepot, isPresent, products, zot } from '../products.ts';
import type { PullTimes } from '../pull.ts';
import { type Goal, median, megabytes, pairRatio, type Report, round, type Table } from '../suite.ts';

export const pullers = 50;
/** An upstream a continent away, on a good line. */
export const far = { latencyMs: 20, bytesPerSecond: 100_000_000 };
/** Nothing in between. */
export const direct = 'direct';
export const hosted = 'entrepot, hosted';
const limitMb = 200;

export type Cold = { readonly name: string; readonly times: PullTimes[]; peakBytes: number };
export type Herd = {
  readonly name: string;
  readonly seconds: number[];
  readonly upstreamBytes: number;
  readonly requests: number;
  readonly manifestGets: number;
  readonly peakBytes: number;
};
export type Warm = { readonly name: string; readonly rates: number[]; readonly requestsPerPull: number };

type Results = {
  readonly farAway: readonly Cold[];
  readonly nearBy: readonly Cold[];
  readonly herds: readonly Herd[];
  readonly warm: readonly Warm[];
  readonly crowdBytes: number;
  readonly imageBytes: number;
};

const named = <T extends { readonly name: string }>(results: readonly T[], name: string) =>
  results.find((each) => each.name === name);

/** Ours ÷ theirs, run by run; NaN where one is missing. */
function timeRatio(results: readonly Cold[], other: string, field: keyof PullTimes): number {
  const of = (name: string) => named(results, name)?.times.map((times) => times[field]) ?? [];
  return pairRatio(of(entrepot.name), of(other));
}

/** Promises first, then what each product took. */
export function pullThroughReport(results: Results): Report {
  const { farAway, nearBy, herds, warm, imageBytes } = results;
  return {
    goals: promises(results),
    tables: [
      coldTable(`cold 1 GiB image, ${far.latencyMs} ms before each answer, ${far.bytesPerSecond / 1e6} MB/s`, farAway),
      coldTable('cold 1 GiB image, nothing between', nearBy),
      herdTable(herds, imageBytes),
      warmTable(warm),
    ],
    raw: results,
    missing: products.filter((each) => !isPresent(each)).map((each) => `${each.name}: ${whyNot(each.programs)}`),
  };
}

function promises({ farAway, nearBy, herds, warm, crowdBytes, imageBytes }: Results): Goal[] {
  const herd = named(herds, entrepot.name);
  const rates = (name: string) => named(warm, name)?.rates ?? [];
  const times = (name: string, atMost: number, measured: number): Goal => ({ name, measured, atMost, unit: '×' });
  const seconds = (name: string) => named(herds, name)?.seconds ?? [];
  const herdRatio = (name: string) => pairRatio(seconds(entrepot.name), seconds(name));
  const goals: Goal[] = [
    times('far, manifest first byte ÷ direct', 1.5, timeRatio(farAway, direct, 'manifestFirstByte')),
    times('far, blob first byte ÷ direct', 2, timeRatio(farAway, direct, 'blobFirstByte')),
    times('far, whole image ÷ direct', 1.15, timeRatio(farAway, direct, 'total')),
    times(`near, whole image ÷ ${distribution.name}`, 1, timeRatio(nearBy, distribution.name, 'total')),
    times(`${pullers} pullers ÷ ${distribution.name}`, 1, herdRatio(distribution.name)),
    times(`${pullers} pullers, upstream bytes ÷ image`, 1, (herd?.upstreamBytes ?? Number.NaN) / imageBytes),
    {
      name: `${pullers} pullers, manifest GETs`,
      measured: herd?.manifestGets ?? Number.NaN,
      atMost: 1,
      unit: 'requests',
    },
    {
      name: 'warm tag, upstream requests a pull',
      measured: named(warm, entrepot.name)?.requestsPerPull ?? Number.NaN,
      atMost: 0,
      unit: 'requests',
    },
    {
      name: 'warm tag ÷ hosted tag',
      measured: pairRatio(rates(entrepot.name), rates(hosted)),
      atLeast: 0.8,
      unit: '×',
    },
    { name: '200 readers of 1 GiB, peak memory', measured: crowdBytes / 1e6, atMost: limitMb, unit: 'MB' },
  ];
  if (named(herds, zot.name)) goals.push(times(`${pullers} pullers ÷ ${zot.name}`, 1, herdRatio(zot.name)));
  return goals;
}

function coldTable(title: string, results: readonly Cold[]): Table {
  const rows = results.map(({ name, times, peakBytes }) => ({
    through: name,
    'total, ours ÷ it': round(timeRatio(results, name, 'total')),
    'manifest first byte, s': round(median(times.map((each) => each.manifestFirstByte))),
    'blob first byte, s': round(median(times.map((each) => each.blobFirstByte))),
    'total, s': round(median(times.map((each) => each.total))),
    'peak memory, MB': peakBytes > 0 ? megabytes(peakBytes) : '',
  }));
  return { title, rows };
}

function herdTable(herds: readonly Herd[], imageBytes: number): Table {
  const ours = named(herds, entrepot.name)?.seconds ?? [];
  const rows = herds.map((herd) => ({
    through: herd.name,
    'time, ours ÷ it': round(pairRatio(ours, herd.seconds)),
    'upstream bytes ÷ image': round(herd.upstreamBytes / imageBytes),
    'upstream requests': herd.requests,
    'manifest GETs': herd.manifestGets,
    seconds: round(median(herd.seconds)),
    'peak memory, MB': megabytes(herd.peakBytes),
  }));
  return { title: `${pullers} pullers of one cold image of ${megabytes(imageBytes)} MB`, rows };
}

function warmTable(warm: readonly Warm[]): Table {
  const ours = named(warm, entrepot.name)?.rates ?? [];
  const rows = warm.map(({ name, rates, requestsPerPull }) => ({
    through: name,
    'ours ÷ it': round(pairRatio(ours, rates)),
    'requests/s': round(median(rates)),
    'upstream requests a pull': requestsPerPull,
  }));
  return { title: 'warm manifest by tag', rows };
}
