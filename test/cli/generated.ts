import { join } from 'node:path';
import { schemaText } from '../../src/app/cli/commands/config-run.ts';
import { commandReference } from '../../src/app/cli/reference.ts';
import { configReference } from '../../src/surface/config/mod.ts';

/** Files of the repository that are made from the code. `bun test/cli/generated.ts` writes them. */
export const GENERATED: readonly { readonly path: string; readonly text: () => string }[] = [
  { path: 'schema/entrepot.v1.json', text: schemaText },
  { path: 'docs/reference/cli.md', text: commandReference },
  { path: 'docs/reference/config.md', text: configReference },
];

export const ROOT = join(import.meta.dir, '../..');

if (import.meta.main) {
  for (const { path, text } of GENERATED) await Bun.write(join(ROOT, path), text());
}
