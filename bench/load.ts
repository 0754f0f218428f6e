import { join } from 'node:path';
import { program } from '../test/harness/need.ts';
import { run } from '../test/harness/process.ts';
import { acceptAll } from '../test/harness/read.ts';

/** Requests a second over 16 connections by `wrk -t1 -c16`. Anything but 2xx is a failure, not a figure. */
export async function requestRate(url: string, seconds: number): Promise<number> {
  const wrk = await run([program('wrk'), '-t1', '-c16', `-d${seconds}s`, '-H', `Accept: ${acceptAll}`, url]);
  const rate = /Requests\/sec:\s+([\d.]+)/.exec(wrk.stdout)?.[1];
  if (rate === undefined || /Non-2xx|Socket errors/.test(wrk.stdout)) throw new Error(`${url}\n${wrk.stdout}`);
  return Number(rate);
}

/** Bytes a second of one GET over one connection, by curl. */
export async function downloadRate(url: string, expectedBytes: number): Promise<number> {
  const format = '%{http_code} %{size_download} %{time_total}';
  const curl = await run([program('curl'), '-s', '-o', '/dev/null', '-w', format, url]);
  const [status, bytes, seconds] = curl.stdout.split(' ').map(Number);
  if (status !== 200 || bytes !== expectedBytes) throw new Error(`${url}: ${curl.stdout}`);
  return bytes / (seconds ?? Number.NaN);
}

export type PushLoad = { readonly count: number; readonly bytes: number; readonly concurrency: number };

/** Blobs a second. */
export async function pushRate(host: string, repository: string, load: PushLoad): Promise<number> {
  const args = [host, repository, String(load.count), String(load.bytes), String(load.concurrency)];
  const seconds = Number((await run([process.execPath, join(import.meta.dir, 'push-load.ts'), ...args])).stdout);
  return load.count / seconds;
}
