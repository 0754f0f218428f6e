import { program, whyNot } from '../../test/harness/need.ts';
import { run } from '../../test/harness/process.ts';
import { entrepotProgram } from '../../test/harness/servers.ts';
import { median, pairRatio, round, type Suite } from '../suite.ts';

// A process start is short and noisy: many of them.
const starts = 20;
const limitMs = 50;

export const start: Suite = {
  name: 'start',
  about: '`entrepot version` beside `crane version`, whole process',
  run: async () => {
    const why = whyNot(['crane']);
    const ours: number[] = [];
    const crane: number[] = [];
    for (let at = 0; at < starts; at++) {
      ours.push(await timeMs([entrepotProgram(), 'version']));
      if (why === undefined) crane.push(await timeMs([program('crane'), 'version']));
    }
    const row = why === undefined ? { '÷ crane': round(pairRatio(ours, crane)), 'crane ms': round(median(crane)) } : {};
    return {
      goals: [{ name: 'entrepot version', measured: median(ours), atMost: limitMs, unit: 'ms' }],
      tables: [{ title: 'start of a command, median', rows: [{ ...row, 'entrepot ms': round(median(ours)) }] }],
      raw: { entrepotMs: ours, craneMs: crane },
      missing: why === undefined ? [] : [`crane: ${why}`],
    };
  },
};

async function timeMs(command: readonly string[]): Promise<number> {
  const started = performance.now();
  await run(command);
  return performance.now() - started;
}
