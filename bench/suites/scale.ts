import { join } from 'node:path';
import { type Image, makeImage } from '../../test/harness/image.ts';
import { pushImage, putManifest } from '../../test/harness/push.ts';
import { type Server, startEntrepot } from '../../test/harness/servers.ts';
import { requestRate } from '../load.ts';
import { type BenchContext, type Goal, median, megabytes, round, type Suite } from '../suite.ts';

const tagCount = 100_000;
const repositoryCount = 10_000;
// Tags set by one PUT (spec, "Pushing Manifests", `tag` parameters): filling is not what is measured.
const tagsPerPut = 50;
const pageSize = 100;
const writers = 16;
// Page times are a few hundred microseconds; many of them make a median.
const pageSamples = 50;
// "Flat": a page or a pull in the large registry may take this many times what it takes in the small one.
const flatLimit = 2;

type Pages = { readonly first: number; readonly last: number };
type Snapshot = {
  readonly tags: Pages;
  readonly catalog: Pages;
  readonly pullsPerSecond: number;
  readonly peakBytes: number;
};

export const scale: Suite = {
  name: 'scale',
  about: '100,000 tags in one repository, 10,000 repositories: pages, pulls and memory stay flat',
  run: async (context) => {
    const small = await withServer(context, 'small', { tags: pageSize, repositories: pageSize });
    const large = await withServer(context, 'large', { tags: tagCount, repositories: repositoryCount });
    const ratios: readonly [string, number][] = [
      ['tags, first page', large.tags.first / small.tags.first],
      ['tags, last page', large.tags.last / small.tags.last],
      ['catalog, first page', large.catalog.first / small.catalog.first],
      ['catalog, last page', large.catalog.last / small.catalog.last],
      ['pull by tag, time', small.pullsPerSecond / large.pullsPerSecond],
      ['peak memory', large.peakBytes / small.peakBytes],
    ];
    const goals: Goal[] = ratios.map(([name, measured]) => ({ name, measured, atMost: flatLimit, unit: '× small' }));
    return {
      goals,
      tables: [{ title: `pages of ${pageSize}, milliseconds`, rows: [row('small', small), row('large', large)] }],
      raw: { small, large },
      missing: [],
    };
  },
};

type Size = { readonly tags: number; readonly repositories: number };

async function withServer(context: BenchContext, name: string, size: Size): Promise<Snapshot> {
  const server = await startEntrepot({ folder: join(context.folder, name) });
  try {
    const image = makeImage([]);
    context.say(`scale: ${name}, ${size.tags} tags`);
    await fillTags(server, image, size.tags);
    context.say(`scale: ${name}, ${size.repositories} repositories`);
    await fillRepositories(server, image, size.repositories);
    context.say(`scale: ${name}, reading`);
    const tags = (after: number) => `/v2/many/tags/tags/list?n=${pageSize}${last(after, tagName)}`;
    const catalog = (after: number) => `/v2/_catalog?n=${pageSize}${last(after, repositoryName)}`;
    return {
      tags: { first: await pageMs(server, tags(0)), last: await pageMs(server, tags(size.tags - pageSize)) },
      catalog: {
        first: await pageMs(server, catalog(0)),
        last: await pageMs(server, catalog(size.repositories - pageSize)),
      },
      pullsPerSecond: await requestRate(
        `http://${server.host}/v2/many/tags/manifests/${tagName(size.tags)}`,
        context.seconds,
      ),
      peakBytes: server.peakBytes(),
    };
  } finally {
    await server.stop();
  }
}

const tagName = (at: number) => `t${String(at).padStart(7, '0')}`;
const repositoryName = (at: number) => `many/r${String(at).padStart(7, '0')}`;
const last = (after: number, name: (at: number) => string) =>
  after > 0 ? `&last=${encodeURIComponent(name(after))}` : '';

async function fillTags(server: Server, image: Image, count: number): Promise<void> {
  await pushImage(server.host, 'many/tags', { image, tags: [] });
  await inParallel(Math.ceil(count / tagsPerPut), async (batch) => {
    const from = batch * tagsPerPut + 1;
    const tags = Array.from({ length: Math.min(tagsPerPut, count - from + 1) }, (_, at) => `tag=${tagName(from + at)}`);
    await putManifest(server.host, 'many/tags', {
      reference: `${image.digest}?${tags.join('&')}`,
      manifest: image.manifest,
    });
  });
}

async function fillRepositories(server: Server, image: Image, count: number): Promise<void> {
  await inParallel(count, async (at) => {
    const repository = repositoryName(at + 1);
    const mount = `http://${server.host}/v2/${repository}/blobs/uploads/?mount=${image.configDigest}&from=many/tags`;
    const mounted = await fetch(mount, { method: 'POST' });
    if (mounted.status !== 201) throw new Error(`${mount}: ${mounted.status}`);
    await putManifest(server.host, repository, { reference: 'v1', manifest: image.manifest });
  });
}

async function inParallel(count: number, work: (at: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < count; at = next++) await work(at);
  };
  await Promise.all(Array.from({ length: writers }, worker));
}

async function pageMs(server: Server, path: string): Promise<number> {
  const times: number[] = [];
  for (let at = 0; at < pageSamples; at++) {
    const started = performance.now();
    const response = await fetch(`http://${server.host}${path}`);
    const page = (await response.json()) as { tags?: string[]; repositories?: string[] };
    times.push(performance.now() - started);
    const length = (page.tags ?? page.repositories ?? []).length;
    if (length < pageSize - 1 || length > pageSize) throw new Error(`${path}: ${response.status}, ${length} names`);
  }
  return median(times);
}

function row(name: string, snapshot: Snapshot): Record<string, string | number> {
  return {
    registry: name,
    'tags, first': round(snapshot.tags.first),
    'tags, last': round(snapshot.tags.last),
    'catalog, first': round(snapshot.catalog.first),
    'catalog, last': round(snapshot.catalog.last),
    'pulls/s': round(snapshot.pullsPerSecond),
    'peak memory, MB': megabytes(snapshot.peakBytes),
  };
}
