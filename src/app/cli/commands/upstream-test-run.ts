import { parseTestTarget, testUpstream, type UpstreamTest } from '../../commands/upstream-test.ts';
import { machineOf } from '../context.ts';
import { ExitCode } from '../exit.ts';
import type { Paint } from '../paint.ts';
import { paintFor } from '../paint.ts';
import type { CommandRun } from '../spec.ts';
import { formatDuration } from '../table.ts';

export const test: CommandRun = async (context, typed) => {
  const { io } = context;
  const config = await context.config();
  const target = parseTestTarget(typed.words[0] ?? '', config.namespaces);
  const result = await testUpstream(config, machineOf(io, context.debug), target);
  const paint = paintFor(io.stdout, io.env, typed.options.color !== false);
  context.answer({ kind: 'UpstreamTest', items: [result], text: () => resultText(result, paint) });
  return result.rungs.some(({ outcome }) => outcome === 'failed') ? ExitCode.failed : ExitCode.ok;
};

function resultText({ host, url, rungs }: UpstreamTest, paint: Paint): string {
  const marks = { ok: paint.good('ok     '), failed: paint.bad('failed '), skipped: paint.faint('-      ') };
  const names = rungs.map(({ step, account }) => (account === undefined ? step : `${step} (${account})`));
  const width = Math.max(...names.map((name) => name.length));
  const lines = rungs.flatMap(({ outcome, seen, fix, durationMs }, at) => {
    const took = outcome === 'skipped' ? '' : `  ${paint.faint(formatDuration(durationMs))}`;
    const line = `${marks[outcome]} ${(names[at] ?? '').padEnd(width)}  ${seen}${took}`;
    return fix === undefined ? [line] : [line, `        ${' '.repeat(width)}  ${paint.faint('do')}  ${fix}`];
  });
  return `${[`${host} at ${url}`, ...lines].join('\n')}\n`;
}
