import { CommanderError } from 'commander';
import { AppError } from '#core/std';
import { COMMANDS } from './commands/all.ts';
import { createContext } from './context.ts';
import { ExitCode, exitCodeOf } from './exit.ts';
import type { Io } from './io.ts';
import { paintFor } from './paint.ts';
import { createParser } from './parser.ts';
import type { CommandSpec, Typed } from './spec.ts';

/** Parses, runs one command, and turns whatever is thrown into three lines and an exit code. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  let chosen: { spec: CommandSpec; typed: Typed } | undefined;
  const parser = createParser(candidates(argv), io, (spec, typed) => {
    chosen = { spec, typed };
  });
  try {
    await parser.parseAsync([...argv], { from: 'user' });
    if (!chosen) return ExitCode.ok;
    const execute = await chosen.spec.load();
    return await execute(createContext(io, COMMANDS, chosen.typed), chosen.typed);
  } catch (thrown) {
    if (thrown instanceof CommanderError && isHelp(thrown)) return thrown.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
    const failure = thrown instanceof CommanderError ? usageError(thrown, argv) : thrown;
    await reportFailure(io, failure, argv);
    return exitCodeOf(failure);
  }
}

/** The commands of the noun that was typed, or all: the parser of everything takes longer to make than to use. */
function candidates([first]: readonly string[]): readonly CommandSpec[] {
  const own = COMMANDS.filter(({ path }) => path[0] === first);
  return own.length > 0 ? own : COMMANDS;
}

/** Help and version are no errors; a noun without its verb shows help too, and has failed. */
function isHelp(thrown: CommanderError): boolean {
  return thrown.exitCode === 0 || thrown.code === 'commander.help';
}

function usageError(thrown: CommanderError, argv: readonly string[]): AppError {
  const [what = '', ...rest] = thrown.message.replace(/^error: /, '').split('\n');
  const meant = rest
    .join(' ')
    .replace(/^\(|\)$/g, '')
    .trim();
  const typed = argv.filter((word) => !word.startsWith('-')).join(' ');
  const spec = COMMANDS.find(({ path }) => `${typed} `.startsWith(`${path.join(' ')} `));
  // A noun with a wrong verb: its own help lists the right ones.
  const noun = COMMANDS.find(({ path }) => path.length > 1 && `${typed} `.startsWith(`${path[0]} `))?.path.slice(0, 1);
  const help = ['entrepot', ...(spec?.path ?? noun ?? []), '--help'].join(' ');
  const example = thrown.code === 'commander.missingArgument' ? spec?.examples[0] : undefined;
  if (example !== undefined) return new AppError('USAGE', what, { hint: `for example: ${example}\nsee ${help}` });
  return new AppError('USAGE', what, { hint: meant === '' ? help : `${meant} See ${help}` });
}

async function reportFailure(io: Io, thrown: unknown, argv: readonly string[]): Promise<void> {
  // Loaded late: only a failure needs it.
  const { formatError, viewForPerson } = await import('./error.ts');
  const paint = paintFor(io.stderr, io.env, !argv.includes('--no-color'));
  io.stderr.write(formatError(viewForPerson(thrown), paint));
  if (argv.includes('--debug') && thrown instanceof Error) io.stderr.write(`${thrown.stack ?? ''}\n`);
}
