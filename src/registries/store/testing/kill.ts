import { openStore, temporaryFolder } from './fixture.ts';
import { expectedAfter, findFaults } from './workload.ts';
import { type WorkloadName, workloads } from './workloads.ts';

/**
 * Runs a workload in a process of its own that ends itself by SIGKILL at a write point, then opens the store
 * and answers what is wrong with it. A place past the last point is a run to the end.
 */
export async function killAt(place: number, workload: WorkloadName = 'registry'): Promise<string[]> {
  const folder = temporaryFolder();
  const child = Bun.spawn(
    [process.execPath, new URL('./kill-child.ts', import.meta.url).pathname, folder.path, String(place), workload],
    {
      stdout: 'pipe',
      stderr: 'inherit',
    },
  );
  const said = (await new Response(child.stdout).text()).split('\n').filter((line) => line !== '');
  await child.exited;
  const acknowledged = said.filter((line) => line.startsWith('done ')).length;
  const steps = workloads[workload]();
  const opened = await openStore(folder.path);
  const expected = expectedAfter(steps.slice(0, acknowledged), steps[acknowledged]);
  const faults = await findFaults(opened.store, expected);
  await opened.close();
  folder.dispose();
  if (child.signalCode !== 'SIGKILL' && said.at(-1) !== 'end') faults.push(`the process ended with ${child.exitCode}`);
  return faults.map((fault) => `killed at point ${place}, ${said.at(-1)}, in "${steps[acknowledged]?.name}": ${fault}`);
}
