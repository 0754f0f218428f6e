import { COMMANDS } from './commands/all.ts';
import { EXIT_CODES } from './exit.ts';
import { NOUNS } from './parser.ts';
import { COMMON_OPTIONS, type CommandSpec, type OptionSpec, SHARED_OPTIONS, type SharedOption } from './spec.ts';

/** The reference page of the command line, from the table of commands. */
export function commandReference(): string {
  return `${[
    '# The command line',
    '',
    'Generated from the table of commands; do not edit. `entrepot COMMAND --help` says the same.',
    '',
    'Standard output is the answer, standard error everything else. `REF` is `host/repository[:tag][@digest]`, a name in',
    'this registry (no host), `oci:FOLDER[:tag]` or `tar:FILE[:tag]`. Commands on this registry ask the server that runs',
    'over its data folder; without one they take the folder themselves.',
    '',
    '## Exit codes',
    '',
    '| code | meaning |',
    '|---|---|',
    ...EXIT_CODES.map(({ code, meaning }) => `| ${code} | ${meaning} |`),
    '',
    '## Shared options',
    '',
    'Every command has these:',
    '',
    ...optionTable(COMMON_OPTIONS),
    ...(Object.keys(SHARED_OPTIONS) as SharedOption[]).flatMap(sharedSection),
    '## Commands',
    '',
    ...COMMANDS.flatMap(commandSection),
  ].join('\n')}`
    .trimEnd()
    .concat('\n');
}

const SHARED_TITLES: Readonly<Record<SharedOption, string>> = {
  config: 'Commands that read the configuration',
  output: 'Commands that answer something',
  progress: 'Commands that take a while',
  confirm: 'Commands that ask before they act',
};

function sharedSection(name: SharedOption): string[] {
  const users = COMMANDS.filter(({ shares }) => shares.includes(name)).map(({ path }) => `\`${path.join(' ')}\``);
  return [`${SHARED_TITLES[name]} (${users.join(', ')}):`, '', ...optionTable(SHARED_OPTIONS[name])];
}

function commandSection(spec: CommandSpec): string[] {
  const words = (spec.arguments ?? []).map(({ name }) => name);
  return [
    `### entrepot ${[...spec.path, ...words].join(' ')}`,
    '',
    `${spec.summary}.`,
    '',
    '```sh',
    ...spec.examples,
    '```',
    '',
    ...((spec.arguments ?? []).length === 0
      ? []
      : [...(spec.arguments ?? []).map(({ name, summary }) => `- \`${name}\`: ${summary}`), '']),
    ...(spec.options ? optionTable(spec.options) : []),
  ];
}

function optionTable(options: readonly OptionSpec[]): string[] {
  const rows = options.map(({ flags, summary, choices }) => {
    const list = choices ? `: ${choices.map((choice) => `\`${choice}\``).join(', ')}` : '';
    return `| \`${flags}\` | ${summary}${list} |`;
  });
  return ['| option | meaning |', '|---|---|', ...rows, ''];
}

/** Nouns of the table that have no description would show their bare name in the help. */
export function nounsWithoutText(): string[] {
  const nouns = COMMANDS.filter(({ path }) => path.length > 1).map(({ path }) => path[0] ?? '');
  return [...new Set(nouns)].filter((noun) => NOUNS[noun] === undefined);
}
