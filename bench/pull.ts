import { join } from 'node:path';
import type { Image } from '../test/harness/image.ts';
import { program } from '../test/harness/need.ts';
import { run } from '../test/harness/process.ts';
import { acceptAll } from '../test/harness/read.ts';

/** One image pulled by curl over one connection: manifest, config, layers, one after another. Seconds. */
export type PullTimes = {
  readonly manifestFirstByte: number;
  readonly blobFirstByte: number;
  readonly total: number;
};

export async function timePull(host: string, repository: string, image: Image): Promise<PullTimes> {
  const base = `http://${host}/v2/${repository}`;
  const blobs = [image.configDigest, ...image.layers.map(({ digest }) => digest)];
  const urls = [`${base}/manifests/1.0`, ...blobs.map((digest) => `${base}/blobs/${digest}`)];
  const format = '%{http_code} %{size_download} %{time_starttransfer} %{time_total}\n';
  const targets = urls.flatMap((url) => ['-o', '/dev/null', url]);
  const curl = await run([program('curl'), '-s', '-w', format, '-H', `Accept: ${acceptAll}`, ...targets]);
  const rows = curl.stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number));
  const sizes = [image.manifest.length, image.config.length, ...image.layers.map(({ sizeBytes }) => sizeBytes)];
  const isRight =
    rows.length === sizes.length && rows.every(([status, size], at) => status === 200 && size === sizes[at]);
  if (!isRight) throw new Error(`${base}: ${curl.stdout}`);
  const [manifest = [], , layer = []] = rows;
  return {
    manifestFirstByte: manifest[2] ?? Number.NaN,
    blobFirstByte: layer[2] ?? Number.NaN,
    total: rows.reduce((sum, row) => sum + (row[3] ?? Number.NaN), 0),
  };
}

/** Seconds until the last of `pullers` has the whole image. In a process of its own, so that none of it is measured. */
export async function timeHerd(
  url: { host: string; repository: string },
  image: Image,
  pullers: number,
): Promise<number> {
  const expected = image.layers.reduce((sum, layer) => sum + layer.sizeBytes, image.config.length);
  const blobs = [image.configDigest, ...image.layers.map(({ digest }) => digest)].join(',');
  const args = [url.host, url.repository, String(pullers), String(expected), blobs];
  return Number((await run([process.execPath, join(import.meta.dir, 'herd-load.ts'), ...args])).stdout);
}
