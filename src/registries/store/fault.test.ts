import { describe, expect, test } from 'bun:test';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isRegistryError } from '#core/oci';
import { type Clock, systemClock } from '#core/std';
import { diskFs } from './disk-fs.ts';
import {
  findFaults,
  killAt,
  openStore,
  powerCutFs,
  runWorkload,
  temporaryFolder,
  type WorkloadName,
  type WritePoint,
  withWritePoints,
  workloadLimits,
  workloads,
} from './testing/mod.ts';

/** Real time, in which nobody waits: gc's pauses are not what is tested here. */
const clock: Clock = { now: () => systemClock().now(), sleep: async () => {} };

/** Ends the world at the n-th point: from then on every point throws. */
function endAt(place: number, error: () => Error): { readonly point: WritePoint; readonly names: string[] } {
  const names: string[] = [];
  return {
    names,
    point(name) {
      names.push(name);
      if (names.length > place) throw error();
    },
  };
}

/** All points of an undisturbed run, so that a test can end at each. */
async function countPoints(workload: WorkloadName): Promise<string[]> {
  const folder = temporaryFolder();
  const { point, names } = endAt(Number.POSITIVE_INFINITY, () => new Error('never'));
  const opened = await openStore(folder.path, {
    fs: withWritePoints(diskFs(), folder.path, point),
    writePoint: point,
    clock,
    limits: workloadLimits,
  });
  const start = names.length;
  const expected = await runWorkload(opened.store, workloads[workload]());
  const faults = await findFaults(opened.store, expected);
  await opened.close();
  folder.dispose();
  expect(faults).toEqual([]);
  expect(expected.failed).toBeUndefined();
  return names.slice(start);
}

/** One run that ends at a point, a restart, and what is wrong then. */
async function runCut(workload: WorkloadName, place: number, tail: 'cut' | 'zeros'): Promise<string[]> {
  const folder = temporaryFolder();
  const stash = join(dirname(folder.path), 'stash');
  mkdirSync(stash);
  const power = powerCutFs(stash, tail);
  const cut = endAt(place, () => new Error('the power is off'));
  let armed = false;
  const point: WritePoint = (name) => (armed ? cut.point(name) : undefined);
  const opened = await openStore(folder.path, {
    fs: withWritePoints(power.fs, folder.path, point),
    writePoint: point,
    clock,
    limits: workloadLimits,
  });
  armed = true;
  const expected = await runWorkload(opened.store, workloads[workload]());
  await opened.close();
  power.cut();
  const again = await openStore(folder.path, { clock });
  const faults = await findFaults(again.store, expected);
  await again.store.gcRun({ graceMs: 0 });
  faults.push(...(await findFaults(again.store, { there: new Set(), gone: new Set() })));
  await again.close();
  folder.dispose();
  return faults.map((fault) => `${cut.names[place]} in "${expected.failed?.name}": ${fault}`);
}

describe('a power cut at every write point', () => {
  for (const { workload, tail, every } of [
    { workload: 'registry', tail: 'zeros', every: 1 },
    { workload: 'registry', tail: 'cut', every: 3 },
    { workload: 'cache', tail: 'zeros', every: 2 },
    { workload: 'cache', tail: 'cut', every: 5 },
  ] as const) {
    test(`loses nothing acknowledged and shows nothing by half (${workload}, unsynced bytes: ${tail})`, async () => {
      const points = await countPoints(workload);
      expect(points.length).toBeGreaterThan(100);
      const faults: string[] = [];
      for (let place = 0; place < points.length; place += every) {
        faults.push(...(await runCut(workload, place, tail)));
      }
      expect(faults).toEqual([]);
    }, 120_000);
  }
});

describe('SIGKILL at write points', () => {
  // Each is a process of its own; `test/` runs them all.
  const EVERY = 9;
  test.each(['registry', 'cache'] as const)(
    'loses nothing acknowledged and shows nothing by half (%s)',
    async (workload) => {
      const points = await countPoints(workload);
      const places = points.flatMap((_, place) => (place % EVERY === 4 ? [place] : []));
      const halves = [0, 1].map((half) => places.filter((_, at) => at % 2 === half));
      const faults = await Promise.all(halves.map((half) => killAtEach(workload, half)));
      expect(faults.flat()).toEqual([]);
    },
    120_000,
  );
});

async function killAtEach(workload: WorkloadName, places: readonly number[]): Promise<string[]> {
  const faults: string[] = [];
  for (const place of places) faults.push(...(await killAt(place, workload)));
  return faults;
}

describe('a disk that is full from any write on', () => {
  test.each(['registry', 'cache'] as const)(
    'is a clear error, reads go on, and writes work once there is room (%s)',
    async (workload) => {
      const points = await countPoints(workload);
      const faults: string[] = [];
      for (const [place, name] of points.entries()) {
        if (FILLS.test(name)) faults.push(...(await runFull(workload, place)));
      }
      expect(faults).toEqual([]);
    },
    120_000,
  );
});

/** Changes that need room. A name that is only removed or moved needs none. */
const FILLS = /^(fs:(open|write|datasync|mkdir):[a-z]+|sql:commit):before$/;

async function runFull(workload: WorkloadName, place: number): Promise<string[]> {
  const folder = temporaryFolder();
  const full = endAt(place, () => Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }));
  let armed = false;
  const point: WritePoint = (name) => {
    if (armed && (FILLS.test(name) || full.names.length < place)) return full.point(name);
  };
  const opened = await openStore(folder.path, {
    fs: withWritePoints(diskFs(), folder.path, point),
    writePoint: point,
    clock,
    limits: workloadLimits,
  });
  armed = true;
  const steps = workloads[workload]();
  const before = await runWorkload(opened.store, steps);
  armed = false;
  const faults = await findFaults(opened.store, before);
  if (before.failed && !isRegistryError(before.error, 'INSUFFICIENT_STORAGE')) faults.push(`answered ${before.error}`);
  const rest = before.failed ? steps.slice(steps.indexOf(before.failed)) : [];
  const after = await runWorkload(opened.store, rest);
  if (after.failed) faults.push(`afterwards "${after.failed.name}" failed: ${after.error}`);
  faults.push(...(await findFaults(opened.store, after)));
  await opened.close();
  folder.dispose();
  return faults.map((fault) => `${full.names[place]} in "${before.failed?.name}": ${fault}`);
}
