// Says what each script is for: `npm run help`.
import manifest from '../package.json';

/** In the order in which a newcomer needs them; a test holds it to package.json. */
export const ABOUT: Readonly<Record<string, string>> = {
  start: 'install what is missing, then mirror a sample image and serve it (or serve ./entrepot.yaml)',
  test: 'all tests; `-- WORD…` runs the files whose path holds a word; what needs other programs is skipped by name',
  check: 'format, lint, tidy, unused code, types, unit tests: under a minute; `-- lint types` runs some',
  fix: 'format, and fix what the linter can fix by itself',
  bench: 'measure beside the other registries and copiers that are installed; `-- SUITE…` runs some',
  build: 'make one executable, dist/entrepot',
  schema: 'write schema/entrepot.v1.json from the schema of the config file',
  peers: 'install the other programs that tests and benchmarks use, into .peers/',
  help: 'this list',
};

export const scripts: readonly string[] = Object.keys(manifest.scripts);

if (import.meta.main) {
  for (const [name, about] of Object.entries(ABOUT)) {
    const command = ['start', 'test'].includes(name) ? `npm ${name}` : `npm run ${name}`;
    console.log(`${command.padEnd(16)}  ${about}`);
  }
}
