import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { type Layer, makeLayer } from '../harness/image.ts';
import { run } from '../harness/process.ts';
import { pushBlob } from '../harness/push.ts';
import { entrepotProgram } from '../harness/servers.ts';
import { cacheFolder } from '../harness/temp.ts';
import { getBlob } from './pull.ts';
import { withStage } from './stage.ts';

const flights = 20;
const blobBytes = 4_000_000;
const allBytes = flights * blobBytes;
// All of it in four seconds; killed when a third is here.
const link = { bytesPerSecond: 20_000_000 };
const repository = 'library/app';
const timeoutMs = 120_000;
// Sent and not yet in a file when it was killed: what sockets hold on both sides, and one buffer of ours, a flight.
const lostBytes = flights * 1_000_000;

test(
  `SIGKILL in the middle of ${flights} flights: what came is used or gone, and the next pulls are right`,
  () =>
    withStage('restart', { upstream: 'entrepot', link }, async (stage) => {
      const folder = join(cacheFolder(), 'layers');
      const layers: Layer[] = [];
      for (let at = 0; at < flights; at++) {
        const layer = await makeLayer(folder, { seed: `flight-${at}`, contentBytes: blobBytes });
        layers.push(layer);
        await pushBlob(stage.upstream.host, repository, { digest: layer.digest, body: Bun.file(layer.path) });
      }
      stage.proxy.reset();
      const pullAll = () =>
        Promise.all(
          layers.map(({ digest }) => getBlob(`http://${stage.ours.host}/v2/hub/${repository}/blobs/${digest}`)),
        );
      const cutOff = pullAll();
      cutOff.catch(() => 'the server is killed under it');
      while (stage.proxy.summary().receivedBytes < allBytes / 3) await Bun.sleep(5);
      await stage.ours.kill();
      const broken = await cutOff.catch(() => []);
      // No reader took a part for the whole.
      for (const [at, each] of broken.entries()) {
        if (each.clean) expect(each.digest).toBe(layers[at]?.digest ?? '');
      }
      const before = stage.proxy.summary().receivedBytes;

      const ours = await stage.restart();
      const got = await pullAll();
      expect(got.map((each) => [each.status, each.clean, each.digest])).toEqual(
        layers.map(({ digest }) => [200, true, digest]),
      );
      const { receivedBytes } = stage.proxy.summary();
      expect(receivedBytes).toBeLessThanOrEqual(allBytes + lostBytes);
      // What was kept was not asked for again.
      expect(before).toBeGreaterThan(lostBytes);
      expect(stage.proxy.exchanges().filter(({ range }) => range !== undefined).length).toBeGreaterThan(0);

      const scrub = await run([entrepotProgram(), 'scrub', '--config', ours.config, '-o', 'json']);
      expect(scrub.code).toBe(0);
      stage.proxy.reset();
      await pullAll();
      expect(stage.proxy.list()).toEqual([]);
    }),
  timeoutMs,
);
