import { AppError } from '#core/std';
import type { ProgressEvent } from '#surface/server/api';
import type { Io } from '../io.ts';
import { type Paint, paintFor } from '../paint.ts';
import { plainDisplay } from './plain.ts';
import { terminalDisplay } from './terminal.ts';

/** Shows how a long job goes, on standard error. */
export type Display = {
  event(event: ProgressEvent): void;
  /** Leaves the screen as a log of what happened; nothing is shown after it. */
  close(): void;
};

export type DisplayChoice = 'auto' | 'tty' | 'plain' | 'json' | 'none';
export type DisplayOptions = { readonly io: Io; readonly choice: DisplayChoice; readonly color: boolean };
export type DisplayMachine = { readonly io: Io; readonly paint: Paint };

/** `auto`: redrawn on a terminal, lines elsewhere and in CI, where a log is kept. */
export function createDisplay({ io, choice, color }: DisplayOptions): Display {
  const machine = { io, paint: paintFor(io.stderr, io.env, color) };
  const isLive = io.stderr.isTerminal && io.env.TERM !== 'dumb' && !io.env.CI;
  const chosen = choice === 'auto' ? (isLive ? 'tty' : 'plain') : choice;
  if (chosen === 'tty') return terminalDisplay(machine);
  if (chosen === 'plain') return plainDisplay(machine);
  if (chosen === 'json') return jsonDisplay(io);
  return { event: () => {}, close: () => {} };
}

export function parseDisplayChoice(text: string | undefined): DisplayChoice {
  const choices: readonly DisplayChoice[] = ['auto', 'tty', 'plain', 'json', 'none'];
  const choice = text === undefined ? 'auto' : choices.find((one) => one === text);
  if (choice) return choice;
  throw new AppError('USAGE', `"${text}" is not a way to show progress`, { hint: `use one of ${choices.join(', ')}` });
}

function jsonDisplay(io: Io): Display {
  return {
    event: (event) => {
      const time = new Date(io.clock.now()).toISOString();
      io.stderr.write(`${JSON.stringify({ apiVersion: 'entrepot/v1', time, ...event })}\n`);
    },
    close: () => {},
  };
}
