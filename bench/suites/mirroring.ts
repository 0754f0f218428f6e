import { join } from 'node:path';
import type { Summary } from '../../test/harness/exchange.ts';
import { type FaultProxy, startFaultProxy } from '../../test/harness/fault-proxy.ts';
import type { Image } from '../../test/harness/image.ts';
import { whyNot } from '../../test/harness/need.ts';
import { pushImage } from '../../test/harness/push.ts';
import { readManifest } from '../../test/harness/read.ts';
import { type Server, startDistribution } from '../../test/harness/servers.ts';
import { appImages, appTags, bigImage, totalBytes } from '../content.ts';
import { type Copier, copiers, entrepot, type Job } from '../copiers.ts';
import { type Cost, measure } from '../measure.ts';
import {
  type BenchContext,
  type Goal,
  median,
  megabytes,
  pairRatio,
  type Report,
  round,
  type Suite,
} from '../suite.ts';

/** One run of one copier: what it cost, and every request of both sides. */
type Sample = Cost & { readonly source: Summary; readonly destination: Summary };
type Scenario = {
  readonly name: string;
  readonly repository: string;
  readonly tag?: string;
  readonly destinations: number;
  /** Counts are exact the first time; only times need repetition. */
  readonly runs: (context: BenchContext) => number;
  readonly again: boolean;
  /** Without the counting proxies: what they cost is not what a copy takes. */
  readonly direct?: true;
};
type Result = { readonly copier: string; readonly scenario: string; readonly samples: Sample[] };

const tenTags = 'ten tags, first copy';
const direct = 'ten tags, first copy, nothing in between';
const noop = 'ten tags, nothing to do';
const oneImage = 'one image, first copy';
const three = 'ten tags, three destinations';
const scenarios: readonly Scenario[] = [
  { name: tenTags, repository: 'demo/app', destinations: 1, runs: ({ runs }) => runs, again: true },
  { name: direct, repository: 'demo/app', destinations: 1, runs: ({ runs }) => runs, again: false, direct: true },
  { name: oneImage, repository: 'demo/app', tag: '1.0', destinations: 1, runs: () => 1, again: false },
  { name: three, repository: 'demo/app', destinations: 3, runs: () => 1, again: false },
  { name: '1 GiB layer', repository: 'demo/big', tag: '1.0', destinations: 1, runs: () => 1, again: false },
];

export const mirroring: Suite = {
  name: 'mirroring',
  about: 'requests, bytes and seconds of copies between two distribution v3: beside crane, regsync, oras, skopeo',
  run: async (context) => {
    const why = whyNot(['registry']);
    if (why !== undefined) return { goals: [], tables: [], raw: {}, missing: [`everything: ${why}`] };
    const source = await startDistribution({ folder: join(context.folder, 'source') });
    const proxy = startFaultProxy({ port: source.port });
    try {
      const images = await appImages(context.cache);
      for (const [tag, image] of images) await pushImage(source.host, 'demo/app', { image, tags: [tag] });
      await pushImage(source.host, 'demo/big', { image: await bigImage(context.cache), tags: ['1.0'] });
      const present = copiers.filter((copier) => whyNot(copier.programs) === undefined);
      const results: Result[] = [];
      for (const scenario of scenarios)
        results.push(...(await runScenario({ context, source, proxy, scenario, present })));
      return report(
        results,
        images.values(),
        copiers.filter((copier) => !present.includes(copier)),
      );
    } finally {
      proxy.stop();
      await source.stop();
    }
  },
};

type Stage = {
  readonly context: BenchContext;
  readonly source: Server;
  readonly proxy: FaultProxy;
  readonly scenario: Scenario;
  readonly present: readonly Copier[];
};

async function runScenario(stage: Stage): Promise<Result[]> {
  const { scenario, present, context } = stage;
  const results = new Map<string, Result>();
  const add = (copier: string, name: string, sample: Sample) => {
    const key = `${copier} ${name}`;
    const result = results.get(key) ?? { copier, scenario: name, samples: [] };
    result.samples.push(sample);
    results.set(key, result);
  };
  for (let run = 1; run <= scenario.runs(context); run++) {
    for (const copier of present) {
      context.say(`mirroring: ${scenario.name}, run ${run}, ${copier.name}`);
      const [first, again] = await copyOnce(stage, copier, run);
      if (first) add(copier.name, scenario.name, first);
      if (again) add(copier.name, noop, again);
    }
  }
  return [...results.values()];
}

/** Destinations are new for every copy: nothing of an earlier one can help. */
async function copyOnce(stage: Stage, copier: Copier, run: number): Promise<Sample[]> {
  const { context, scenario, proxy } = stage;
  const folder = join(context.folder, `${copier.name}-${scenario.name}-${run}`.replaceAll(/[^a-z0-9]+/g, '-'));
  const servers: Server[] = [];
  const proxies: FaultProxy[] = [];
  try {
    for (let at = 0; at < scenario.destinations; at++) {
      const server = await startDistribution({ folder: join(folder, `destination-${at}`) });
      servers.push(server);
      proxies.push(startFaultProxy({ port: server.port }));
    }
    const job: Job = {
      folder: join(folder, 'job'),
      source: scenario.direct ? stage.source.host : proxy.host,
      destinations: (scenario.direct ? servers : proxies).map(({ host }) => host),
      repository: scenario.repository,
      allTags: appTags,
      ...(scenario.tag === undefined ? {} : { tag: scenario.tag }),
    };
    const samples: Sample[] = [];
    for (let copy = 0; copy < (scenario.again ? 2 : 1); copy++) {
      for (const each of [proxy, ...proxies]) each.reset();
      const cost = await measure(copier.commands(job));
      samples.push({ ...cost, source: proxy.summary(), destination: addUp(proxies.map((each) => each.summary())) });
    }
    for (const server of servers) await compare(proxy.host, server.host, scenario);
    return samples;
  } finally {
    for (const each of proxies) each.stop();
    for (const server of servers) await server.stop();
  }
}

async function compare(source: string, destination: string, scenario: Scenario): Promise<void> {
  for (const tag of scenario.tag === undefined ? appTags : [scenario.tag]) {
    const [from, to] = await Promise.all([
      readManifest(source, scenario.repository, tag),
      readManifest(destination, scenario.repository, tag),
    ]);
    if (from.digest !== to.digest) throw new Error(`${scenario.repository}:${tag} is ${to.digest}, not ${from.digest}`);
  }
}

function addUp(summaries: readonly Summary[]): Summary {
  const byKind: Record<string, number> = {};
  for (const summary of summaries) {
    for (const [kind, count] of Object.entries(summary.byKind)) byKind[kind] = (byKind[kind] ?? 0) + count;
  }
  const sum = (field: 'requests' | 'sentBytes' | 'receivedBytes') =>
    summaries.reduce((all, each) => all + each[field], 0);
  return { requests: sum('requests'), sentBytes: sum('sentBytes'), receivedBytes: sum('receivedBytes'), byKind };
}

function report(results: readonly Result[], images: Iterable<Image>, absent: readonly Copier[]): Report {
  const imageBytes = totalBytes(images);
  const names = [...new Set(results.map((result) => result.scenario))];
  return {
    goals: promises(results, imageBytes),
    tables: names.map((name) => ({ title: name, rows: rowsOf(results.filter((each) => each.scenario === name)) })),
    raw: { imageBytes, results },
    missing: absent.map((copier) => `${copier.name}: ${whyNot(copier.programs)}`),
  };
}

function rowsOf(results: readonly Result[]): Record<string, string | number>[] {
  const ours = results.find((each) => each.copier === entrepot.name);
  return results.map(({ copier, samples }) => {
    const [first] = samples;
    if (!first) throw new Error(`${copier}: no sample`);
    const seconds = samples.map((sample) => sample.seconds);
    return {
      copier,
      'time, ours ÷ it': ours
        ? round(
            pairRatio(
              ours.samples.map((sample) => sample.seconds),
              seconds,
            ),
          )
        : '',
      ...countsOf(first),
      seconds: round(median(seconds)),
      'peak memory, MB': megabytes(Math.max(...samples.map((sample) => sample.peakBytes))),
    };
  });
}

/** Nothing where nobody counted. */
function countsOf({ source, destination }: Sample): Record<string, number> {
  if (source.requests === 0) return {};
  return {
    requests: source.requests + destination.requests,
    source: source.requests,
    destination: destination.requests,
    'source manifest GETs': source.byKind['GET manifest'] ?? 0,
    'from source, MB': megabytes(source.receivedBytes),
  };
}

function promises(results: readonly Result[], imageBytes: number): Goal[] {
  const find = (copier: string, scenario: string) =>
    results.find((each) => each.copier === copier && each.scenario === scenario)?.samples ?? [];
  const [one] = find(entrepot.name, oneImage);
  const ten = find(entrepot.name, tenTags);
  const [still] = find(entrepot.name, noop);
  const [wide] = find(entrepot.name, three);
  const [big] = find(entrepot.name, '1 GiB layer');
  const requests = (sample: Sample | undefined) =>
    sample ? sample.source.requests + sample.destination.requests : Number.NaN;
  const seconds = (samples: readonly Sample[]) => samples.map((sample) => sample.seconds);
  const goals: Goal[] = [
    { name: oneImage, measured: requests(one), atMost: 23, unit: 'requests' },
    { name: tenTags, measured: requests(ten[0]), atMost: 100, unit: 'requests' },
    { name: noop, measured: requests(still), atMost: 11, unit: 'requests' },
    {
      name: `${noop}, source manifest GETs`,
      measured: still?.source.byKind['GET manifest'] ?? 0,
      atMost: 0,
      unit: 'requests',
    },
    {
      name: `${noop}, at the destination`,
      measured: still?.destination.requests ?? Number.NaN,
      atMost: 0,
      unit: 'requests',
    },
    // Tag lists and the like are not image bytes: a hundredth is room for them.
    {
      name: `${three}, bytes from source`,
      measured: (wide?.source.receivedBytes ?? Number.NaN) / imageBytes,
      atMost: 1.005,
      unit: '× image',
    },
    { name: '1 GiB layer, peak memory', measured: (big?.peakBytes ?? Number.NaN) / 1e6, atMost: 150, unit: 'MB' },
  ];
  for (const name of [tenTags, direct]) {
    const crane = find('crane cp -a', name);
    if (crane.length === 0) continue;
    const measured = pairRatio(seconds(find(entrepot.name, name)), seconds(crane));
    goals.push({ name: `${name}, time ÷ crane`, measured, atMost: 1, unit: '×' });
  }
  return goals;
}
