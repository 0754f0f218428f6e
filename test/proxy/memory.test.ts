import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { makeLayer } from '../harness/image.ts';
import { pushBlob } from '../harness/push.ts';
import { cacheFolder } from '../harness/temp.ts';
import { openReader, type Reader } from './reader.ts';
import { withStage } from './stage.ts';

const MiB = 2 ** 20;
// A gigabyte where all is required; else as much as shows a buffer that grows with the blob.
const whole = process.env.ENTREPOT_REQUIRE_ALL === '1';
const contentBytes = whole ? 1024 * MiB : 256 * MiB;
const rangeBytes = contentBytes / 64;
const limitBytes = 200_000_000;
const counts = { all: 20, ranges: 160, stalled: 20 };
const timeoutMs = 300_000;

test(
  `200 readers on one flight of ${contentBytes / MiB} MiB: 20 read all, 160 a part, 20 stall, below 200 MB`,
  () =>
    // So slow that all of them are there before it ends.
    withStage('memory', { upstream: 'entrepot', link: { bytesPerSecond: 150_000_000 } }, async (stage) => {
      const layer = await makeLayer(join(cacheFolder(), 'layers'), { seed: 'memory', contentBytes });
      await pushBlob(stage.upstream.host, 'library/app', { digest: layer.digest, body: Bun.file(layer.path) });
      stage.proxy.reset();
      const target = { port: stage.ours.port, path: `/v2/hub/library/app/blobs/${layer.digest}` };
      const stalled = Array.from({ length: counts.stalled }, () => openReader(target, { stallAfter: 100_000 }));
      const all = Array.from({ length: counts.all }, (_, at) => openReader(target, { hash: at === 0 }));
      const ranges: Reader[] = [];
      for (let at = 0; at < counts.ranges; at++) {
        const start = Math.floor((at / counts.ranges) * (layer.sizeBytes - rangeBytes));
        ranges.push(openReader(target, { range: [start, start + rangeBytes - 1] }));
      }
      const [wholes, parts] = await Promise.all([
        Promise.all(all.map(({ done }) => done)),
        Promise.all(ranges.map(({ done }) => done)),
      ]);
      expect(new Set(wholes.map(({ bytes }) => bytes))).toEqual(new Set([layer.sizeBytes]));
      expect(wholes[0]?.digest).toBe(layer.digest);
      expect(new Set(parts.map(({ status, bytes }) => `${status} ${bytes}`))).toEqual(new Set([`206 ${rangeBytes}`]));
      for (const reader of stalled) reader.close();
      expect(stage.proxy.list()).toEqual(['GET blob 200']);
      expect(stage.proxy.summary().receivedBytes).toBe(layer.sizeBytes);
      const peak = stage.ours.peakBytes();
      process.stderr.write(`memory with 200 readers: ${Math.round(peak / 1e6)} MB\n`);
      expect(peak).toBeLessThan(limitBytes);
    }),
  timeoutMs,
);
