/**
 * Opens a store, works, and ends at the n-th write point by SIGKILL: no handler runs, nothing is flushed or closed.
 * With `power-cut`, the disk has forgotten what was not fsynced when that happens.
 * Says on stdout which step was acknowledged, before the next one begins.
 * bun child.ts FOLDER N kill|power-cut
 */
import { mkdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { diskFs } from '#registries/store';
import { openStore, powerCutFs, withWritePoints, workloadLimits } from '#registries/store/testing';
import { hastyClock } from './clock.ts';
import { steps } from './steps.ts';

const [root = '', at = '0', mode = 'kill'] = process.argv.slice(2);
const say = (line: string) => void writeSync(1, `${line}\n`);
const path = join(root, 'store');
mkdirSync(join(root, 'stash'));
const power = powerCutFs(join(root, 'stash'), 'cut');
let passed = 0;

async function point(name: string): Promise<void> {
  passed++;
  if (passed !== Number(at)) return;
  if (mode === 'power-cut') power.cut();
  say(`ended at ${name}`);
  process.kill(process.pid, 'SIGKILL');
  // The signal may take a moment to arrive; nothing happens until then.
  await new Promise(() => undefined);
}

const { store, close } = await openStore(path, {
  fs: withWritePoints(mode === 'kill' ? diskFs() : power.fs, path, point),
  writePoint: point,
  clock: hastyClock(),
  limits: workloadLimits,
});
for (const step of steps()) {
  await step.act(store);
  say('done');
}
await close();
say(`passed ${passed}`);
