import { join } from 'node:path';
import { whyNot } from '../../test/harness/need.ts';
import { pushImage } from '../../test/harness/push.ts';
import { type Server, startDistribution, startEntrepot } from '../../test/harness/servers.ts';
import { bigImage } from '../content.ts';
import { copiers, type Job } from '../copiers.ts';
import { downloadRate } from '../load.ts';
import { measure } from '../measure.ts';
import { type BenchContext, megabytes, round, type Suite, type Table } from '../suite.ts';

const limitMb = 150;
// Several readers at once, so that a buffer per reader would show.
const readers = 4;

type Peaks = { readonly name: string; readonly push: number; readonly pull: number };

export const memory: Suite = {
  name: 'memory',
  about: 'peak resident memory (VmHWM) of server and copier through 1 GiB',
  run: async (context) => {
    const why = whyNot(['registry']);
    const ours = await serverPeaks(context, 'entrepot', (folder) => startEntrepot({ folder }));
    const peaks = [ours];
    if (why === undefined)
      peaks.push(await serverPeaks(context, 'distribution v3', (folder) => startDistribution({ folder })));
    const copies = why === undefined ? await copierPeaks(context) : [];
    const copy = copies.find(({ name }) => name === 'entrepot');
    const goals = [
      { name: 'server, 1 GiB pushed', measured: ours.push / 1e6, atMost: limitMb, unit: 'MB' },
      { name: `server, then pulled ${readers} times at once`, measured: ours.pull / 1e6, atMost: limitMb, unit: 'MB' },
    ];
    if (copy) goals.push({ name: 'copier, 1 GiB layer', measured: copy.peakBytes / 1e6, atMost: limitMb, unit: 'MB' });
    return {
      goals,
      tables: [serverTable(peaks), copierTable(copies)],
      raw: { servers: peaks, copies },
      missing: why === undefined ? [] : [`distribution and copies from it: ${why}`],
    };
  },
};

async function serverPeaks(
  context: BenchContext,
  name: string,
  startServer: (folder: string) => Promise<Server>,
): Promise<Peaks> {
  context.say(`memory: ${name}`);
  const image = await bigImage(context.cache);
  const layer = image.layers[0];
  if (!layer) throw new Error('demo/big has no layer');
  const server = await startServer(join(context.folder, name));
  try {
    await pushImage(server.host, 'demo/big', { image, tags: ['1.0'] });
    const push = server.peakBytes();
    const url = `http://${server.host}/v2/demo/big/blobs/${layer.digest}`;
    await Promise.all(Array.from({ length: readers }, () => downloadRate(url, layer.sizeBytes)));
    return { name, push, pull: server.peakBytes() };
  } finally {
    await server.stop();
  }
}

type CopyPeak = { readonly name: string; readonly peakBytes: number; readonly seconds: number };

async function copierPeaks(context: BenchContext): Promise<CopyPeak[]> {
  const source = await startDistribution({ folder: join(context.folder, 'source') });
  const peaks: CopyPeak[] = [];
  try {
    await pushImage(source.host, 'demo/big', { image: await bigImage(context.cache), tags: ['1.0'] });
    for (const copier of copiers.filter(({ programs }) => whyNot(programs) === undefined)) {
      context.say(`memory: ${copier.name} copies 1 GiB`);
      const folder = join(context.folder, `copy-${copier.name.replaceAll(' ', '-')}`);
      const destination = await startDistribution({ folder });
      const job: Job = {
        folder: join(folder, 'job'),
        source: source.host,
        destinations: [destination.host],
        repository: 'demo/big',
        allTags: ['1.0'],
        tag: '1.0',
      };
      peaks.push({ name: copier.name, ...(await measure(copier.commands(job)).finally(destination.stop)) });
    }
  } finally {
    await source.stop();
  }
  return peaks;
}

function serverTable(peaks: readonly Peaks[]): Table {
  const [ours] = peaks;
  const rows = peaks.map((each) => ({
    server: each.name,
    'ours ÷ it': ours ? round(ours.pull / each.pull) : '',
    'after the push, MB': megabytes(each.push),
    'after the pulls, MB': megabytes(each.pull),
  }));
  return { title: 'server, peak memory through 1 GiB', rows };
}

function copierTable(copies: readonly CopyPeak[]): Table {
  const ours = copies.find(({ name }) => name === 'entrepot');
  const rows = copies.map((each) => ({
    copier: each.name,
    'ours ÷ it': ours ? round(ours.peakBytes / each.peakBytes) : '',
    'peak memory, MB': megabytes(each.peakBytes),
    seconds: round(each.seconds),
  }));
  return { title: 'copier, peak memory through 1 GiB', rows };
}
