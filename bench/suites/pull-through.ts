import { join } from 'node:path';
import { type FaultProxy, startFaultProxy } from '../../test/harness/fault-proxy.ts';
import { type Image, makeImage } from '../../test/harness/image.ts';
import { whyNot } from '../../test/harness/need.ts';
import { pushImage } from '../../test/harness/push.ts';
import { acceptAll } from '../../test/harness/read.ts';
import { crowd } from '../../test/harness/readers.ts';
import { type Server, startDistribution } from '../../test/harness/servers.ts';
import { appImages, bigImage, totalBytes } from '../content.ts';
import { requestRate } from '../load.ts';
import { entrepot, isPresent, type Product, products, withCold } from '../products.ts';
import { timeHerd, timePull } from '../pull.ts';
import type { BenchContext, Suite } from '../suite.ts';
import {
  type Cold,
  direct,
  far,
  type Herd,
  hosted,
  pullers,
  pullThroughReport,
  type Warm,
} from './pull-through-report.ts';

type Stage = {
  readonly context: BenchContext;
  readonly upstream: Server;
  readonly app: Image;
  readonly big: Image;
};
export const pullThrough: Suite = {
  name: 'pull-through',
  about: 'cold images near and far, herds and warm tags through a cache: beside distribution v3 and zot',
  run: async (context) => {
    const why = whyNot(['registry']);
    if (why !== undefined) return { goals: [], tables: [], raw: {}, missing: [`everything: ${why}`] };
    const upstream = await startDistribution({ folder: join(context.folder, 'upstream') });
    try {
      const app = (await appImages(context.cache)).get('1.0');
      if (!app) throw new Error('demo content is incomplete');
      const stage = { context, upstream, app, big: await bigImage(context.cache) };
      await pushImage(upstream.host, 'demo/app', { image: app, tags: ['1.0'] });
      await pushImage(upstream.host, 'demo/big', { image: stage.big, tags: ['1.0'] });
      await pushImage(upstream.host, 'demo/warm', { image: makeImage([], 'warm'), tags: ['1.0'] });
      const farAway = await coldPulls(stage, 'far');
      const nearBy = await coldPulls(stage, 'near');
      const herds = await herdsOf(stage);
      const warm = await warmTags(stage);
      const crowdBytes = await crowdPeak(stage);
      return pullThroughReport({ farAway, nearBy, herds, warm, crowdBytes, imageBytes: totalBytes([app]) });
    } finally {
      await upstream.stop();
    }
  },
};

const present = products.filter(isPresent);
let folders = 0;

type From = { readonly host: string; readonly product: Product };

function cold<T>(stage: Stage, { host, product }: From, body: (server: Server) => Promise<T>): Promise<T> {
  const folder = join(stage.context.folder, String(folders++));
  return withCold(product, { folder, upstream: host, warmUp: 'demo/warm/manifests/1.0' }, body);
}

/** `far`: latency and bandwidth as of a line; `near`: nothing between, not even a counter. */
async function coldPulls(stage: Stage, where: 'far' | 'near'): Promise<Cold[]> {
  const { context, upstream, big } = stage;
  const line =
    where === 'near'
      ? undefined
      : startFaultProxy({
          port: upstream.port,
          bytesPerSecond: far.bytesPerSecond,
          rule: () => ({ latencyMs: far.latencyMs }),
        });
  const host = line?.host ?? upstream.host;
  const results: Cold[] = [direct, ...present.map(({ name }) => name)].map((name) => ({
    name,
    times: [],
    peakBytes: 0,
  }));
  try {
    for (let run = 1; run <= context.runs; run++) {
      for (const result of results) {
        context.say(`pull-through: 1 GiB, ${where}, run ${run} of ${context.runs}, ${result.name}`);
        const product = present.find(({ name }) => name === result.name);
        if (!product) result.times.push(await timePull(host, 'demo/big', big));
        else
          await cold(stage, { host, product }, async (server) => {
            result.times.push(await timePull(server.host, `${product.prefix}demo/big`, big));
            result.peakBytes = Math.max(result.peakBytes, server.peakBytes());
            if (line && product === entrepot) await expectStored(line, server, big);
          });
      }
    }
    return results;
  } finally {
    line?.stop();
  }
}

/** What was timed is also here to stay. */
async function expectStored(line: FaultProxy, server: Server, image: Image): Promise<void> {
  line.reset();
  await timePull(server.host, `${entrepot.prefix}demo/big`, image);
  const asked = line.list();
  if (asked.length > 0) throw new Error(`the second pull asked the upstream: ${asked.join(', ')}`);
}

/** Timed with nothing between, then once more for what it asks upstream. */
async function herdsOf(stage: Stage): Promise<Herd[]> {
  const { context, upstream, app } = stage;
  const seconds = new Map<string, number[]>(present.map(({ name }) => [name, []]));
  for (let run = 1; run <= context.runs; run++) {
    for (const product of present) {
      context.say(`pull-through: ${pullers} pullers, run ${run} of ${context.runs}, ${product.name}`);
      const herd = (server: Server) =>
        timeHerd({ host: server.host, repository: `${product.prefix}demo/app` }, app, pullers);
      seconds.get(product.name)?.push(await cold(stage, { host: upstream.host, product }, herd));
    }
  }
  const herds: Herd[] = [];
  const counter = startFaultProxy({ port: upstream.port });
  try {
    for (const product of present) {
      context.say(`pull-through: ${pullers} pullers, counted, ${product.name}`);
      await cold(stage, { host: counter.host, product }, async (server) => {
        counter.reset();
        await timeHerd({ host: server.host, repository: `${product.prefix}demo/app` }, app, pullers);
        const { receivedBytes, requests, byKind } = counter.summary();
        const manifestGets = byKind['GET manifest'] ?? 0;
        const counts = { upstreamBytes: receivedBytes, requests, manifestGets, peakBytes: server.peakBytes() };
        herds.push({ name: product.name, seconds: seconds.get(product.name) ?? [], ...counts });
      });
    }
    return herds;
  } finally {
    counter.stop();
  }
}

async function warmTags(stage: Stage): Promise<Warm[]> {
  const { context, upstream, app } = stage;
  const counter = startFaultProxy({ port: upstream.port });
  const servers: { name: string; url: string; server: Server; rates: number[] }[] = [];
  try {
    for (const product of present) {
      const folder = join(context.folder, `warm-${product.name}`);
      const server = await product.start({ folder, upstream: counter.host });
      const url = `http://${server.host}/v2/${product.prefix}demo/app/manifests/1.0`;
      servers.push({ name: product.name, url, server, rates: [] });
      await timePull(server.host, `${product.prefix}demo/app`, app);
      if (product !== entrepot) continue;
      await pushImage(server.host, 'team/app', { image: app, tags: ['1.0'] });
      servers.push({ name: hosted, url: `http://${server.host}/v2/team/app/manifests/1.0`, server, rates: [] });
    }
    // The first of everything warms caches and compilers up, for each alike, and is not counted.
    for (const { url } of servers) await requestRate(url, 1);
    for (let run = 1; run <= context.runs; run++) {
      for (const { name, url, rates } of servers) {
        context.say(`pull-through: warm tag, run ${run} of ${context.runs}, ${name}`);
        rates.push(await requestRate(url, context.seconds));
      }
    }
    const warm: Warm[] = [];
    for (const { name, url, rates } of servers) {
      counter.reset();
      for (let pull = 0; pull < pullers; pull++) await (await fetch(url, { headers: { accept: acceptAll } })).bytes();
      warm.push({ name, rates, requestsPerPull: counter.summary().requests / pullers });
    }
    return warm;
  } finally {
    for (const server of new Set(servers.map((each) => each.server))) await server.stop();
    counter.stop();
  }
}

/** Peak of ours with 200 readers on one flight of 1 GiB. */
async function crowdPeak(stage: Stage): Promise<number> {
  const { context, upstream, big } = stage;
  const [layer] = big.layers;
  if (!layer) throw new Error('demo/big has no layer');
  context.say('pull-through: 200 readers of 1 GiB');
  const line = startFaultProxy({ port: upstream.port, bytesPerSecond: far.bytesPerSecond });
  try {
    return await cold(stage, { host: line.host, product: entrepot }, async (server) => {
      await crowd({ port: server.port, path: `/v2/hub/demo/big/blobs/${layer.digest}` }, layer);
      return server.peakBytes();
    });
  } finally {
    line.stop();
  }
}
