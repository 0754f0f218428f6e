import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { makeImage, makeLayer } from '../harness/image.ts';
import { testWith } from '../harness/need.ts';
import { pushImage } from '../harness/push.ts';
import { smallImage } from '../harness/target.ts';
import { cacheFolder } from '../harness/temp.ts';
import { getManifest, imageBytes, pull } from './pull.ts';
import { type Stage, type StageOptions, withStage } from './stage.ts';

const pullers = 50;
const times = <T>(count: number, make: () => Promise<T>) => Promise.all(Array.from({ length: count }, make));
// Starts three servers and pulls 50 images of 8 MB.
const timeoutMs = 90_000;

async function herdImage() {
  const folder = join(cacheFolder(), 'layers');
  const sizes = [4_000_000, 3_000_000, 1_000_000];
  const layers = sizes.map((contentBytes) => makeLayer(folder, { seed: 'herd', contentBytes }));
  return makeImage(await Promise.all(layers), 'herd');
}

/** What a herd costs upstream, cold, fresh, expired and moved: the same for every upstream. */
async function herdOf({ upstream, proxy, ours }: Stage): Promise<void> {
  const image = await herdImage();
  await pushImage(upstream.host, 'library/app', { image, tags: ['1.0'] });
  proxy.reset();

  const cold = await times(pullers, () => pull(ours.host, 'hub/library/app:1.0'));
  expect(new Set(cold.map((each) => each.digest))).toEqual(new Set([image.digest]));
  expect(proxy.list().toSorted()).toEqual([...Array(4).fill('GET blob 200'), 'GET manifest 200']);
  expect(proxy.summary().receivedBytes).toBe(imageBytes(image));

  proxy.reset();
  const warm = await times(pullers, () => pull(ours.host, 'hub/library/app:1.0'));
  await pull(ours.host, `hub/library/app@${image.digest}`);
  expect(proxy.list()).toEqual([]);
  expect(warm[0]?.headers.get('x-entrepot-cache')).toBe('hit');
}

async function expiredHerd({ upstream, proxy, ours }: Stage): Promise<void> {
  const first = await smallImage('first');
  const second = await smallImage('second');
  await pushImage(upstream.host, 'library/app', { image: first, tags: ['1.0'] });
  await pull(ours.host, 'hub/library/app:1.0');
  // Longer than freshFor, which is a second.
  await Bun.sleep(1100);
  proxy.reset();
  // The answer stands long enough for all to meet on it.
  proxy.setRule(() => ({ latencyMs: 200 }));
  await times(pullers, () => getManifest(ours.host, 'hub/library/app:1.0'));
  expect(proxy.list()).toEqual(['HEAD manifest 200']);

  await pushImage(upstream.host, 'library/app', { image: second, tags: ['1.0'] });
  await Bun.sleep(1100);
  proxy.reset();
  const moved = await times(pullers, () => getManifest(ours.host, 'hub/library/app:1.0'));
  expect(new Set(moved.map((each) => each.digest))).toEqual(new Set([second.digest]));
  expect(proxy.list()).toEqual(['HEAD manifest 200', 'GET manifest 200']);
  expect(proxy.exchanges()[1]?.path).toEndWith(`/manifests/${second.digest}`);
  // One layer is shared, config and the other layer are new.
  await pull(ours.host, 'hub/library/app:1.0');
  expect(proxy.list().filter((each) => each === 'GET blob 200')).toHaveLength(2);
}

const stages: readonly { readonly name: string; readonly options: StageOptions }[] = [
  { name: 'entrepot', options: { upstream: 'entrepot' } },
  { name: 'registry', options: { upstream: 'registry' } },
];

for (const { name, options } of stages) {
  const cold = `${pullers} pullers of a cold image of ${name}: each byte once, one manifest GET, then nothing`;
  const expired = `${pullers} pullers of an expired tag of ${name}: one HEAD, and one GET by digest when it moved`;
  const runCold = () => withStage(`herd-${name}`, options, herdOf);
  const runExpired = () => withStage(`expired-${name}`, { ...options, namespace: 'freshFor: 1s' }, expiredHerd);
  if (options.upstream === 'entrepot') {
    test(cold, runCold, timeoutMs);
    test(expired, runExpired, timeoutMs);
  } else {
    testWith(['registry'], cold, { timeoutMs, body: runCold });
    testWith(['registry'], expired, { timeoutMs, body: runExpired });
  }
}
