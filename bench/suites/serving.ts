import { join } from 'node:path';
import { whyNot } from '../../test/harness/need.ts';
import { pushImage } from '../../test/harness/push.ts';
import { type Server, startDistribution, startEntrepot } from '../../test/harness/servers.ts';
import { appImages, bigImage } from '../content.ts';
import { downloadRate, pushRate, requestRate } from '../load.ts';
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

type Measure = 'manifest by tag, requests/s' | 'manifest by digest, requests/s' | '1 GiB blob, MB/s' | '10 MB pushes/s';
type Samples = Record<Measure, number[]>;
type Running = { readonly name: string; readonly server: Server; readonly samples: Samples };

const promises: readonly { readonly measure: Measure; readonly atLeast: number }[] = [
  { measure: 'manifest by tag, requests/s', atLeast: 8 },
  { measure: 'manifest by digest, requests/s', atLeast: 8 },
  { measure: '1 GiB blob, MB/s', atLeast: 1.2 },
  { measure: '10 MB pushes/s', atLeast: 1 },
];
const push = { count: 40, bytes: 10_000_000, concurrency: 4 };
const peerOfPromises = 'distribution v3';

export const serving: Suite = {
  name: 'serving',
  about: 'manifest and blob GET, blob push: beside distribution v3 and docker-registry',
  run: async (context) => {
    const { running, missing } = await startAll(context);
    try {
      const images = await appImages(context.cache);
      const big = await bigImage(context.cache);
      const app = images.get('1.0');
      const layer = big.layers[0];
      if (!app || !layer) throw new Error('demo content is incomplete');
      for (const { server } of running) {
        await pushImage(server.host, 'demo/app', { image: app, tags: ['1.0'] });
        await pushImage(server.host, 'demo/big', { image: big, tags: ['1.0'] });
      }
      const urls = (host: string): Urls => ({
        byTag: `http://${host}/v2/demo/app/manifests/1.0`,
        byDigest: `http://${host}/v2/demo/app/manifests/${app.digest}`,
        blob: `http://${host}/v2/demo/big/blobs/${layer.digest}`,
        blobBytes: layer.sizeBytes,
      });
      // The first of everything warms caches and compilers up, for each alike, and is not counted.
      for (const each of running) await sample(each.server.host, urls(each.server.host), 1);
      for (let run = 1; run <= context.runs; run++) {
        for (const { name, server, samples } of running) {
          context.say(`serving: run ${run} of ${context.runs}, ${name}`);
          const once = await sample(server.host, urls(server.host), context.seconds);
          for (const { measure } of promises) samples[measure].push(once[measure]);
        }
      }
      return { ...report(running), missing };
    } finally {
      for (const { server } of running) await server.stop();
    }
  },
};

type Urls = { readonly byTag: string; readonly byDigest: string; readonly blob: string; readonly blobBytes: number };

async function sample(host: string, urls: Urls, seconds: number): Promise<Record<Measure, number>> {
  return {
    'manifest by tag, requests/s': await requestRate(urls.byTag, seconds),
    'manifest by digest, requests/s': await requestRate(urls.byDigest, seconds),
    '1 GiB blob, MB/s': megabytes(await downloadRate(urls.blob, urls.blobBytes)),
    '10 MB pushes/s': await pushRate(host, 'demo/push', push),
  };
}

async function startAll(context: BenchContext): Promise<{ running: Running[]; missing: string[] }> {
  const add = (name: string, server: Server): Running => ({ name, server, samples: emptySamples() });
  const running = [add('entrepot', await startEntrepot({ folder: join(context.folder, 'entrepot') }))];
  const missing: string[] = [];
  for (const [name, program] of [
    [peerOfPromises, 'registry'],
    ['docker-registry', 'docker-registry'],
  ] as const) {
    const why = whyNot([program]);
    if (why === undefined)
      running.push(add(name, await startDistribution({ folder: join(context.folder, program), program })));
    else missing.push(`${name}: ${why}`);
  }
  return { running, missing };
}

function emptySamples(): Samples {
  return {
    'manifest by tag, requests/s': [],
    'manifest by digest, requests/s': [],
    '1 GiB blob, MB/s': [],
    '10 MB pushes/s': [],
  };
}

function report(running: readonly Running[]): Omit<Report, 'missing'> {
  const [ours, ...peers] = running;
  if (!ours) throw new Error('nothing was measured');
  const rows = promises.map(({ measure }) => ({
    measure,
    ...Object.fromEntries(
      peers.map((peer) => [`÷ ${peer.name}`, round(pairRatio(ours.samples[measure], peer.samples[measure]))]),
    ),
    ...Object.fromEntries(running.map((each) => [each.name, round(median(each.samples[measure]))])),
  }));
  const peak = {
    measure: 'peak memory, MB',
    ...Object.fromEntries(running.map((each) => [each.name, megabytes(each.server.peakBytes())])),
  };
  const peer = peers.find((each) => each.name === peerOfPromises);
  const goals: Goal[] = peer
    ? promises.map(({ measure, atLeast }) => ({
        name: `${measure} ÷ ${peer.name}`,
        measured: pairRatio(ours.samples[measure], peer.samples[measure]),
        atLeast,
        unit: '×',
      }))
    : [];
  return {
    goals,
    tables: [{ title: 'serving, medians; ratios pair by pair', rows: [...rows, peak] }],
    raw: Object.fromEntries(running.map((each) => [each.name, each.samples])),
  };
}
