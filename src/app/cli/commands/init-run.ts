import { join } from 'node:path';
import { AppError, systemCodeOf } from '#core/std';
import { initialConfig } from '../../commands/init.ts';
import type { Context } from '../context.ts';
import { ExitCode } from '../exit.ts';
import { type CommandRun, flagOption, type Typed } from '../spec.ts';
import { schemaText } from './config-run.ts';

const FILE = 'entrepot.yaml';
const SCHEMA_FILE = 'entrepot.v1.json';

export const init: CommandRun = async (context, typed) => {
  const { io } = context;
  const replace = flagOption(typed, 'force');
  const file = join(io.cwd, FILE);
  if (!replace && (await io.files.exists(file))) throw alreadyThere();
  const answers = await askAll(context, typed);
  const text = initialConfig({ ...answers, schema: SCHEMA_FILE });
  await io.files.writeText(file, text, { replace }).catch((thrown: unknown) => {
    throw systemCodeOf(thrown) === 'EEXIST' ? alreadyThere() : thrown;
  });
  await io.files.writeText(join(io.cwd, SCHEMA_FILE), schemaText(), { replace: true });
  io.stdout.write(`Wrote ${FILE}, and ${SCHEMA_FILE} for editors.\n`);
  io.stdout.write(
    `Next: entrepot config check, then entrepot serve${answers.source ? ', then entrepot mirror apply' : ''}.\n`,
  );
  return ExitCode.ok;
};

function alreadyThere(): AppError {
  return new AppError('USAGE', `${FILE} is already here`, {
    hint: 'entrepot config check, or add --force to replace it',
  });
}

type Answers = { readonly listen: string; readonly storage: string; readonly source?: string };

/** At most three questions, each with a default that Enter takes. */
async function askAll({ io }: Context, typed: Typed): Promise<Answers> {
  const defaults = { listen: '127.0.0.1:5000', storage: './data' };
  if (!io.canAsk || typed.options.input === false) return defaults;
  const listen = await io.ask(`Address to serve on [${defaults.listen}]: `);
  const storage = await io.ask(`Folder for the content [${defaults.storage}]: `);
  const source = await io.ask('A repository to mirror, such as quay.io/vendor/nginx [none]: ');
  return {
    listen: listen?.trim() || defaults.listen,
    storage: storage?.trim() || defaults.storage,
    ...(source?.trim() ? { source: source.trim() } : {}),
  };
}
