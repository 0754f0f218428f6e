import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { type Layer, makeLayer } from '../harness/image.ts';
import { run } from '../harness/process.ts';
import { pushBlob, pushImage } from '../harness/push.ts';
import { entrepotProgram } from '../harness/servers.ts';
import { smallImage } from '../harness/target.ts';
import { cacheFolder } from '../harness/temp.ts';
import { getBlob, getManifest, pull } from './pull.ts';
import { type Stage, withStage } from './stage.ts';

const MiB = 2 ** 20;
// One repository may not have all connections for itself.
const repositoryOf = (at: number) => `library/app-${at % 2}`;
// Parts are synced every 32 MiB: of two there is something to go on with, of the others nothing.
const syncedBytes = 32 * MiB;
const large = { count: 2, contentBytes: 72 * MiB, bytesPerSecond: 60 * MiB };
const small = { count: 18, contentBytes: 2 * MiB, bytesPerSecond: MiB / 4 };
const timeoutMs = 120_000;

async function layersOf(kind: typeof large, seed: string): Promise<Layer[]> {
  const folder = join(cacheFolder(), 'layers');
  const layers: Layer[] = [];
  for (let at = 0; at < kind.count; at++) {
    layers.push(await makeLayer(folder, { seed: `${seed}-${at}`, contentBytes: kind.contentBytes }));
  }
  return layers;
}

const pullAll = ({ ours }: Stage, layers: readonly Layer[]) =>
  Promise.allSettled(
    layers.map(({ digest }, at) => getBlob(`http://${ours.host}/v2/hub/${repositoryOf(at)}/blobs/${digest}`)),
  );

/** Bytes of a blob that its first request has brought so far. */
const receivedOf = ({ proxy }: Stage, { digest }: Layer) =>
  proxy.exchanges().find(({ path }) => path.endsWith(digest))?.receivedBytes ?? 0;

test(
  `SIGKILL in the middle of ${large.count + small.count} flights: what came is used or gone, and the next pulls are right`,
  () =>
    withStage('restart', { upstream: 'entrepot' }, async (stage) => {
      const { upstream, proxy } = stage;
      const larges = await layersOf(large, 'restart-large');
      const layers = [...larges, ...(await layersOf(small, 'restart-small'))];
      for (const [at, { digest, path }] of layers.entries()) {
        await pushBlob(upstream.host, repositoryOf(at), { digest, body: Bun.file(path) });
      }
      const isLarge = (path: string) => larges.some(({ digest }) => path.endsWith(digest));
      proxy.reset();
      proxy.setRule(({ path }) => ({ bytesPerSecond: (isLarge(path) ? large : small).bytesPerSecond }));
      const cutOff = pullAll(stage, layers);
      while (larges.some((each) => receivedOf(stage, each) < syncedBytes + 8 * MiB)) await Bun.sleep(5);
      expect(proxy.exchanges()).toHaveLength(layers.length);
      await stage.ours.kill();
      // No reader took a part for the whole.
      const ended = (await cutOff).flatMap((each) =>
        each.status === 'fulfilled' && each.value.clean ? [each.value] : [],
      );
      expect(ended).toEqual([]);

      proxy.reset();
      proxy.setRule(undefined);
      const { config } = await stage.restart();
      const got = (await pullAll(stage, layers)).map((each) =>
        each.status === 'fulfilled' ? each.value : each.reason,
      );
      expect(got.map(({ status, clean, digest }) => [status, clean, digest])).toEqual(
        layers.map(({ digest }) => [200, true, digest]),
      );
      const ranges = proxy.exchanges().filter(({ path }) => isLarge(path));
      const starts = ranges.map(({ range }) => Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0));
      expect(starts.toSorted()[0]).toBeGreaterThanOrEqual(syncedBytes);
      expect(proxy.exchanges()).toHaveLength(layers.length);

      await run([entrepotProgram(), 'scrub', '--config', config, '-o', 'json']);
      proxy.reset();
      await pullAll(stage, layers);
      expect(proxy.list()).toEqual([]);
    }),
  timeoutMs,
);

test(
  'a question that hangs upstream does not hold up the end of the server',
  () =>
    withStage('end', { upstream: 'entrepot', namespace: 'freshFor: 0s' }, async ({ upstream, proxy, ours }) => {
      await pushImage(upstream.host, 'library/app', { image: await smallImage('end'), tags: ['1.0'] });
      await pull(ours.host, 'hub/library/app:1.0');
      proxy.setRule(() => ({ hangAt: 'head' }));
      // The copy is served in the end, and the question goes on behind it.
      expect((await getManifest(ours.host, 'hub/library/app:1.0')).headers.get('x-entrepot-cache')).toBe(
        'stale-if-error',
      );
      // It ends by itself; one that waited for the silence is killed.
      expect(await ours.stop()).toBe(0);
    }),
  timeoutMs,
);
