import { Command, Help, Option } from 'commander';
import { VERSION } from '../version.ts';
import { EXIT_CODES } from './exit.ts';
import type { Io } from './io.ts';
import { COMMON_OPTIONS, type CommandSpec, type OptionSpec, SHARED_OPTIONS, type Typed } from './spec.ts';

type OnChosen = (spec: CommandSpec, typed: Typed) => void;

/** Commander's tree of the commands: parsing, did-you-mean and help are its work. */
export function createParser(specs: readonly CommandSpec[], io: Io, onChosen: OnChosen): Command {
  const root = configured(new Command('entrepot'), io)
    .description('Registry, mirror and access for the container images a company runs.')
    .version(`entrepot ${VERSION}`, '-V, --version', 'print the version')
    .addHelpText('after', `\n${exitCodeHelp()}`);
  for (const spec of specs) addCommand(root, spec, { io, onChosen });
  return root;
}

function addCommand(root: Command, spec: CommandSpec, { io, onChosen }: { io: Io; onChosen: OnChosen }): void {
  const parent = spec.path.slice(0, -1).reduce((command, noun) => childNamed(command, noun, io), root);
  const command = configured(new Command(spec.path.at(-1)), io).description(spec.summary);
  for (const argument of spec.arguments ?? []) command.argument(argument.name, argument.summary);
  for (const option of optionsOf(spec)) command.addOption(toOption(option));
  // Examples first: they are what people look for.
  command.addHelpText('before', `Examples:\n${spec.examples.map((line) => `  ${line}`).join('\n')}\n`);
  command.action((...given: unknown[]) => {
    const words = given
      .slice(0, -2)
      .flat()
      .filter((word) => typeof word === 'string');
    onChosen(spec, { words, options: command.opts() });
  });
  parent.addCommand(command);
}

/** Nouns are commands that only hold verbs. */
export const NOUNS: Readonly<Record<string, string>> = {
  image: 'List, show, copy, warm and delete images',
  repo: 'List repositories',
  tag: 'List tags',
  mirror: 'Copy images from registries to registries',
  namespace: 'Show namespaces: what is behind them, and what proxies save',
  upstream: 'Show and test the registries that proxy namespaces read',
  snippet: 'Print how clients pull through this registry',
  gc: 'Remove content that nothing refers to',
  config: 'Check and show the configuration',
};

function childNamed(parent: Command, noun: string, io: Io): Command {
  const found = parent.commands.find((command) => command.name() === noun);
  if (found) return found;
  const made = configured(new Command(noun), io).description(NOUNS[noun] ?? noun);
  parent.addCommand(made);
  return made;
}

export function optionsOf(spec: CommandSpec): readonly OptionSpec[] {
  return [...(spec.options ?? []), ...spec.shares.flatMap((name) => SHARED_OPTIONS[name]), ...COMMON_OPTIONS];
}

function toOption(spec: OptionSpec): Option {
  const option = new Option(spec.flags, spec.summary);
  return spec.choices ? option.choices(spec.choices) : option;
}

function configured(command: Command, io: Io): Command {
  return command
    .exitOverride()
    .configureHelp({
      formatHelp: (shown, helper) => Help.prototype.formatHelp.call(helper, shown, helper).trimEnd().concat('\n'),
    })
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      // Errors are written by `run`, in the form that all errors have; the help of a noun comes this way too.
      writeErr: (text) => io.stderr.write(text),
      outputError: () => {},
      getOutHelpWidth: () => Math.min(io.stdout.columns(), 100),
      getErrHelpWidth: () => Math.min(io.stderr.columns(), 100),
    });
}

function exitCodeHelp(): string {
  return `Exit codes: ${EXIT_CODES.map(({ code, meaning }) => `${code} ${meaning}`).join(' · ')}`;
}
