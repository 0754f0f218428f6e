import { resolve } from 'node:path';
import { AppError, type Log, silentLog } from '#core/std';
import type { Config, ConfigResult } from '#surface/config';
import type { Running } from '#surface/server/api';
import type { Session } from '../commands/session.ts';
import type { Machine } from '../machine.ts';
import { VERSION } from '../version.ts';
import type { Io } from './io.ts';
import { type Answer, type OutputFormat, parseOutputFormat, writeAnswer } from './output.ts';
import { type Paint, paintFor } from './paint.ts';
import { type CommandSpec, flagOption, type Typed, textOption } from './spec.ts';

/** What every command is given: the machine, and the shared options as they were meant. */
export type Context = {
  readonly io: Io;
  /** The table of commands, for those that print it. */
  readonly commands: readonly CommandSpec[];
  readonly format: OutputFormat;
  readonly paint: Paint;
  readonly debug: boolean;
  /** Writes the answer on standard output. */
  answer<T>(answer: Answer<T>): void;
  /** Writes a line for people on standard error. */
  note(line: string): void;
  /** Asks before something that cannot be undone. Throws USAGE where nobody can be asked and `--yes` is absent. */
  confirm(question: string): Promise<boolean>;
  /** The configuration found, or the defaults where there is none. */
  readConfig(): Promise<ConfigResult & { readonly found: boolean }>;
  /** As `readConfig`; throws CONFIG_INVALID. */
  config(): Promise<Config>;
  /** Opens what a command works with, and closes it whatever happens. */
  withSession<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** Runs a long job with its progress shown. Ctrl-C stops it in an orderly way, a second one at once. */
  withProgress<T>(job: (running: Running) => Promise<T>): Promise<T>;
};

export function createContext(io: Io, commands: readonly CommandSpec[], typed: Typed): Context {
  const format = parseOutputFormat(textOption(typed, 'output') ?? 'text');
  const wantsColor = typed.options.color !== false;
  const debug = flagOption(typed, 'debug');
  const note = (line: string) => io.stderr.write(`${line}\n`);
  const readOnce = async () => {
    const { findConfig, overridesFromEnv, readConfig: read } = await import('#surface/config');
    const machine = { cwd: io.cwd, env: io.env, readText: io.files.readText };
    const source = await findConfig(machine, textOption(typed, 'config'));
    const overrides = [...overridesFromEnv(machine), ...overridesFromFlags(typed, io.cwd)];
    const used = source ?? { text: 'version: 1\n', file: '', folder: io.cwd };
    return { ...read(used, overrides), found: source !== undefined };
  };
  // Once a command: what it decided by is what it works with.
  let reading: ReturnType<typeof readOnce> | undefined;
  const readConfig = () => {
    reading ??= readOnce();
    return reading;
  };
  const config = async () => {
    const { requireConfig } = await import('#surface/config');
    return requireConfig(await readConfig());
  };
  return {
    io,
    commands,
    format,
    paint: paintFor(io.stderr, io.env, wantsColor),
    debug,
    answer: (answer) => writeAnswer(io.stdout, format, answer),
    note,
    confirm: (question) => confirm(io, typed, question),
    readConfig,
    config,
    withSession: async (work) => {
      const { openSession } = await import('../commands/session.ts');
      const session = await openSession(await config(), machineOf(io, debug));
      try {
        return await work(session);
      } finally {
        await session.close();
      }
    },
    withProgress: async (job) => {
      const { runWithProgress } = await import('./progress/run.ts');
      const choice = flagOption(typed, 'quiet') ? 'none' : textOption(typed, 'progress');
      return await runWithProgress({ io, choice, color: wantsColor }, job);
    },
  };
}

/** The machine as commands use it: they are quiet but for what they answer. */
export function machineOf(io: Io, debug = false): Machine {
  return {
    clock: io.clock,
    cwd: io.cwd,
    env: io.env,
    fetch: globalThis.fetch,
    log: debug ? debugLog(io) : silentLog(),
    version: VERSION,
  };
}

/** Flags that set a key of the configuration, by their option's name. */
const KEY_OF_FLAG: Readonly<Record<string, readonly string[]>> = {
  listen: ['server', 'listen'],
  storage: ['storage', 'path'],
};

function overridesFromFlags(typed: Typed, cwd: string) {
  return Object.entries(KEY_OF_FLAG).flatMap(([name, path]) => {
    const value = textOption(typed, name);
    if (value === undefined) return [];
    return [{ path, value: name === 'storage' ? resolve(cwd, value) : value, origin: `--${name}` }];
  });
}

async function confirm(io: Io, typed: Typed, question: string): Promise<boolean> {
  if (flagOption(typed, 'yes')) return true;
  if (!io.canAsk || typed.options.input === false) {
    throw new AppError('USAGE', 'this needs a yes, and nobody can be asked here', {
      why: io.canAsk ? '--no-input was given' : 'standard input is not a terminal',
      hint: 'add --yes',
    });
  }
  const answer = await io.ask(`${question} [y/N] `);
  return answer !== undefined && /^y(es)?$/i.test(answer.trim());
}

/** What the modules have to say, on standard error, for `--debug`. */
function debugLog({ stderr }: Io): Log {
  const at = (level: string) => (message: string, fields?: object) =>
    stderr.write(`${level}: ${message}${fields ? ` ${JSON.stringify(fields)}` : ''}\n`);
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
