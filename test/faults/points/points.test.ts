import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { findFaults, openStore, runWorkload } from '#registries/store/testing';
import { tempFolder } from '../../harness/temp.ts';
import { hastyClock } from './clock.ts';
import { steps } from './steps.ts';

// Each point is a process: every one where all is required, elsewhere one in so many, others each day.
const usually = process.env.ENTREPOT_REQUIRE_ALL === '1' ? 1 : 16;
const every = Number(process.env.ENTREPOT_WRITE_POINTS_STEP ?? usually);
const first = 1 + (Math.floor(Date.now() / 86_400_000) % every);
const timeoutMs = 600_000;

type Ending = { readonly acknowledged: number; readonly point?: string; readonly passed?: number };

/** One life of a store's process. */
async function live(root: string, at: number, mode: string): Promise<Ending> {
  const command = [process.execPath, join(import.meta.dir, 'child.ts'), root, String(at), mode];
  const child = Bun.spawn(command, { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' });
  const [text, problem] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  await child.exited;
  const acknowledged = text.split('\n').filter((line) => line === 'done').length;
  const point = /^ended at (.+)$/m.exec(text)?.[1];
  const passed = /^passed (\d+)$/m.exec(text)?.[1];
  if (point !== undefined && child.signalCode === 'SIGKILL') return { acknowledged, point };
  if (passed !== undefined) return { acknowledged, passed: Number(passed) };
  throw new Error(`the workload failed by itself: ${problem}`);
}

/** The next life: what is not as it was acknowledged, and whether the same work can be done again. */
async function lookAfter(root: string, { acknowledged }: Ending): Promise<string[]> {
  const { store, close } = await openStore(join(root, 'store'), { clock: hastyClock() });
  try {
    const replayed = steps().map((step, at) => ({
      ...step,
      act: async () => {
        if (at >= acknowledged) throw new Error('was never answered');
      },
    }));
    const faults = await findFaults(store, await runWorkload(store, replayed));
    const again = await runWorkload(store, steps());
    if (again.error !== undefined) faults.push(`"${again.failed?.name}" cannot be done any more: ${again.error}`);
    faults.push(...(await findFaults(store, again)));
    await store.gcRun({ graceMs: 0 });
    const { orphanFiles } = await store.gcPlan({ graceMs: 0 });
    if (orphanFiles > 0) faults.push(`${orphanFiles} files are left that nothing knows`);
    return faults;
  } finally {
    await close();
  }
}

async function inFolder<T>(body: (root: string) => Promise<T>): Promise<T> {
  const temp = tempFolder('points');
  try {
    return await body(temp.path);
  } finally {
    temp.dispose();
  }
}

test('the workload that nobody disturbs holds what it was told', () =>
  inFolder(async (root) => {
    const ending = await live(root, 0, 'kill');
    expect(ending.passed).toBeGreaterThan(100);
    expect(await lookAfter(root, ending)).toEqual([]);
  }));

for (const mode of ['kill', 'power-cut']) {
  test(
    `${mode} at ${every === 1 ? 'every write point' : `one write point in ${every}`}, from opening on`,
    async () => {
      const broken: string[] = [];
      let ended = true;
      for (let at = first; ended; at += every) {
        await inFolder(async (root) => {
          const ending = await live(root, at, mode);
          ended = ending.point !== undefined;
          const faults = await lookAfter(root, ending).catch((thrown: unknown) => [String(thrown)]);
          broken.push(...faults.map((fault) => `${at}, ${ending.point}: ${fault}`));
        });
      }
      expect(broken).toEqual([]);
    },
    timeoutMs,
  );
}
