import { writeSync } from 'node:fs';
import { type Clock, systemClock } from '#core/std';
import { diskFs } from '../disk-fs.ts';
import { openStore } from './fixture.ts';
import { runWorkload } from './workload.ts';
import { type WorkloadName, workloadLimits, workloads } from './workloads.ts';
import { type WritePoint, withWritePoints } from './write-points.ts';

/** `kill-child.ts FOLDER PLACE WORKLOAD`: runs a workload and dies at the write point of that number. */
const [, , path = '', place = '', name = 'registry'] = process.argv;
const clock: Clock = { now: () => systemClock().now(), sleep: async () => {} };
// Blocking: what was said before the kill must arrive.
const say = (line: string) => writeSync(1, `${line}\n`);

let armed = false;
let passed = 0;
const point: WritePoint = (name) => {
  if (!armed || passed++ < Number(place)) return;
  say(`killed at ${name}`);
  process.kill(process.pid, 'SIGKILL');
};
const opened = await openStore(path, {
  fs: withWritePoints(diskFs(), path, point),
  writePoint: point,
  clock,
  limits: workloadLimits,
});
armed = true;
await runWorkload(opened.store, workloads[name as WorkloadName](), (step) => say(`done ${step.name}`));
await opened.close();
say('end');
