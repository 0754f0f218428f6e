import { peakOf, processTree } from '../test/harness/process.ts';

export type Cost = {
  readonly seconds: number;
  /** Peak resident memory of the largest process, bytes. */
  readonly peakBytes: number;
};

// VmHWM only grows, so reading it often enough before the end is enough.
const pollMs = 10;

/** Runs commands one after another; time counts from the start of the first to the end of the last. */
export async function measure(
  commands: readonly (readonly string[])[],
  env: Readonly<Record<string, string>> = {},
): Promise<Cost> {
  const started = performance.now();
  let peakBytes = 0;
  for (const command of commands) {
    const child = Bun.spawn([...command], {
      env: { ...process.env, ...env },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    });
    const poll = setInterval(() => {
      peakBytes = Math.max(peakBytes, ...processTree(child.pid).map(peakOf));
    }, pollMs);
    const output = Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    const code = await child.exited;
    clearInterval(poll);
    if (code !== 0) throw new Error(`${command.join(' ')} answered ${code}\n${(await output).join('\n').slice(-4000)}`);
  }
  return { seconds: (performance.now() - started) / 1000, peakBytes };
}
