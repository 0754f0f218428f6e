import type { Context } from './context.ts';

export type ArgumentSpec = { readonly name: string; readonly summary: string };
export type OptionSpec = { readonly flags: string; readonly summary: string; readonly choices?: readonly string[] };

/** What was typed: arguments by place, options by their long name in camel case. */
export type Typed = {
  readonly words: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
};

/** Does the work and answers the exit code. */
export type CommandRun = (context: Context, typed: Typed) => Promise<number>;

/** A command as data: the parser, the help, the completion and the reference page are made of it. */
export type CommandSpec = {
  readonly path: readonly string[];
  readonly summary: string;
  /** `<name>` is needed, `[name]` may be left out, `[name...]` may be many. */
  readonly arguments?: readonly ArgumentSpec[];
  readonly options?: readonly OptionSpec[];
  /** Which of the shared options it has. */
  readonly shares: readonly SharedOption[];
  readonly examples: readonly string[];
  /** Loaded only when the command is run. */
  readonly load: () => Promise<CommandRun>;
};

export type SharedOption = 'config' | 'output' | 'progress' | 'confirm';

export const SHARED_OPTIONS: Readonly<Record<SharedOption, readonly OptionSpec[]>> = {
  config: [
    {
      flags: '-c, --config <file>',
      summary: 'configuration file (default: ./entrepot.yaml, then the user’s, then /etc/entrepot)',
    },
  ],
  output: [
    {
      flags: '-o, --output <format>',
      summary: 'how the answer is written',
      choices: ['text', 'json', 'jsonl', 'yaml'],
    },
  ],
  progress: [
    {
      flags: '--progress <how>',
      summary: 'progress on standard error',
      choices: ['auto', 'tty', 'plain', 'json', 'none'],
    },
    { flags: '-q, --quiet', summary: 'no progress' },
  ],
  confirm: [
    { flags: '-y, --yes', summary: 'do not ask' },
    { flags: '--no-input', summary: 'never ask; fail where an answer is needed' },
  ],
};

/** Every command has these. */
export const COMMON_OPTIONS: readonly OptionSpec[] = [
  { flags: '--no-color', summary: 'no colours' },
  { flags: '--debug', summary: 'say more when something fails' },
];

/** An option that holds one text. */
export function textOption(typed: Typed, name: string): string | undefined {
  const value = typed.options[name];
  return typeof value === 'string' ? value : undefined;
}

export function flagOption(typed: Typed, name: string): boolean {
  return typed.options[name] === true;
}

export function listOption(typed: Typed, name: string): string[] {
  const value = typed.options[name];
  return Array.isArray(value) ? value.map(String) : [];
}
