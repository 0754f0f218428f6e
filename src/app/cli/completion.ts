import { AppError } from '#core/std';
import { ExitCode } from './exit.ts';
import { optionsOf } from './parser.ts';
import type { CommandRun, CommandSpec } from './spec.ts';

/** Scripts made from the table of commands; they know words and flags, and leave the rest to file names. */
export const completion: CommandRun = async ({ io, commands }, { words }) => {
  const [shell = ''] = words;
  const script = SCRIPTS[shell];
  if (!script) throw new AppError('USAGE', `there is no completion for "${shell}"`, { hint: 'use bash, zsh or fish' });
  io.stdout.write(script(wordsByPath(commands)));
  return ExitCode.ok;
};

/** What may follow each beginning: `image` → list show copy delete. */
type WordsByPath = ReadonlyMap<string, readonly string[]>;

function wordsByPath(specs: readonly CommandSpec[]): WordsByPath {
  const table = new Map<string, Set<string>>();
  const add = (path: string, word: string) => {
    table.set(path, (table.get(path) ?? new Set()).add(word));
  };
  for (const spec of specs) {
    for (const [at, word] of spec.path.entries()) add(spec.path.slice(0, at).join(' '), word);
    for (const option of optionsOf(spec)) {
      for (const flag of option.flags.matchAll(/--[a-z-]+/g)) add(spec.path.join(' '), flag[0]);
    }
  }
  return new Map([...table].map(([path, words]) => [path, [...words].toSorted()]));
}

const bash = (table: WordsByPath) => `# bash completion for entrepot
_entrepot() {
  local word="\${COMP_WORDS[COMP_CWORD]}" path="" at
  for ((at = 1; at < COMP_CWORD; at++)); do
    [[ \${COMP_WORDS[at]} == -* ]] || path="\${path:+$path }\${COMP_WORDS[at]}"
  done
  local words=""
  while :; do
    case "$path" in
${[...table].map(([path, words]) => `      "${path}") words="${words.join(' ')}" ;;`).join('\n')}
    esac
    [[ -n $words || $path != *" "* ]] && break
    path="\${path% *}"
  done
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _entrepot entrepot ./entrepot
`;

const zsh = (table: WordsByPath) => `#compdef entrepot
autoload -U +X bashcompinit && bashcompinit
${bash(table)}`;

const fish = (table: WordsByPath) =>
  `# fish completion for entrepot
${[...table].flatMap(([path, words]) => words.map((word) => fishLine(path, word))).join('\n')}
`;

function fishLine(path: string, word: string): string {
  const seen = path.split(' ').filter(Boolean);
  const when =
    seen.length === 0
      ? '__fish_use_subcommand'
      : seen.map((part) => `__fish_seen_subcommand_from ${part}`).join('; and ');
  const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-f -a ${word}`;
  return `complete -c entrepot -n '${when}' ${what}`;
}

const SCRIPTS: Readonly<Record<string, (table: WordsByPath) => string>> = { bash, zsh, fish };
