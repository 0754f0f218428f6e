import { type ConfigProblem, configInvalid, configJsonSchema, formatProblem } from '#surface/config';
import { ExitCode } from '../exit.ts';
import type { CommandRun } from '../spec.ts';
import { formatTable, plural } from '../table.ts';

export const check: CommandRun = async (context) => {
  const result = await context.readConfig();
  context.answer({
    kind: 'ConfigProblem',
    items: result.problems,
    text: (problems) => problemText(problems, result.found),
  });
  return result.kind === 'ok' ? ExitCode.ok : ExitCode.usage;
};

function problemText(problems: readonly ConfigProblem[], found: boolean): string {
  const lines = problems.map((problem) => `${formatProblem(problem)}\n`).join('');
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  if (errors > 0) return `${lines}${plural(errors, 'error')}. Nothing was changed.\n`;
  if (problems.length > 0) return `${lines}The configuration is good; ${plural(problems.length, 'warning')}.\n`;
  return found ? 'The configuration is good.\n' : 'There is no configuration file; the defaults are in force.\n';
}

export const show: CommandRun = async (context) => {
  const result = await context.readConfig();
  if (result.kind === 'bad') throw configInvalid(result.problems);
  const rows = result.entries.map(({ key, value, origin }) => [key, JSON.stringify(value), origin]);
  context.answer({
    kind: 'ConfigEntry',
    items: result.entries,
    text: () => formatTable(context.io.stdout, ['key', 'value', 'origin'], rows),
  });
  return ExitCode.ok;
};

export const schema: CommandRun = async ({ io }) => {
  io.stdout.write(schemaText());
  return ExitCode.ok;
};

export function schemaText(): string {
  return `${JSON.stringify(configJsonSchema(), null, 2)}\n`;
}
