import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { makeLayer } from '../harness/image.ts';
import { pushBlob } from '../harness/push.ts';
import { crowd } from '../harness/readers.ts';
import { cacheFolder } from '../harness/temp.ts';
import { withStage } from './stage.ts';

const MiB = 2 ** 20;
// A gigabyte where all is required; else as much as shows a buffer that grows with the blob.
const whole = process.env.ENTREPOT_REQUIRE_ALL === '1';
const contentBytes = whole ? 1024 * MiB : 256 * MiB;
const limitBytes = 200_000_000;
const timeoutMs = 300_000;

test(
  `200 readers on one flight of ${contentBytes / MiB} MiB: 20 read all, 160 a part, 20 stall, below 200 MB`,
  () =>
    // So slow that all of them are there before it ends.
    withStage('memory', { upstream: 'entrepot', link: { bytesPerSecond: 150_000_000 } }, async (stage) => {
      const layer = await makeLayer(join(cacheFolder(), 'layers'), { seed: 'memory', contentBytes });
      await pushBlob(stage.upstream.host, 'library/app', { digest: layer.digest, body: Bun.file(layer.path) });
      stage.proxy.reset();
      await crowd({ port: stage.ours.port, path: `/v2/hub/library/app/blobs/${layer.digest}` }, layer);
      // Whoever wants a part before the size is known has that asked for: one HEAD for all of them.
      expect(stage.proxy.list().filter((each) => each !== 'HEAD blob 200')).toEqual(['GET blob 200']);
      expect(stage.proxy.list().length).toBeLessThanOrEqual(2);
      expect(stage.proxy.summary().receivedBytes).toBe(layer.sizeBytes);
      const peakBytes = stage.ours.peakBytes();
      process.stderr.write(`memory with 200 readers: ${Math.round(peakBytes / 1e6)} MB\n`);
      expect(peakBytes).toBeLessThan(limitBytes);
    }),
  timeoutMs,
);
