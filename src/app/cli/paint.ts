import type { Io, Screen } from './io.ts';

/** Colours, which never say anything that the words beside them do not. */
export type Paint = {
  readonly strong: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly warn: (text: string) => string;
};

/** Source: no-color.org, and bixense.com/clicolors for CLICOLOR_FORCE. */
export function paintFor(screen: Screen, env: Io['env'], wanted = true): Paint {
  const forced = env.CLICOLOR_FORCE !== undefined && env.CLICOLOR_FORCE !== '0' && env.CLICOLOR_FORCE !== '';
  const refused = !wanted || Boolean(env.NO_COLOR);
  const isOn = !refused && (forced || (screen.isTerminal && env.TERM !== 'dumb'));
  const code = (start: number, end: number) => (text: string) =>
    isOn ? `\u001b[${start}m${text}\u001b[${end}m` : text;
  return { strong: code(1, 22), faint: code(2, 22), good: code(32, 39), bad: code(31, 39), warn: code(33, 39) };
}
