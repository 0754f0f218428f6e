import { VERSION } from '../version.ts';
import type { Io } from './io.ts';

/**
 * The command line: arguments in, exit code out. Everything but the version is loaded when it is needed,
 * so that scripts which ask for the version, and completions, do not wait for a server's modules.
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  if (argv.length === 1 && (argv[0] === 'version' || argv[0] === '--version')) {
    io.stdout.write(`entrepot ${VERSION}\n`);
    return 0;
  }
  const { run } = await import('./run.ts');
  return run(argv, io);
}

if (import.meta.main) {
  const { processIo } = await import('./process-io.ts');
  process.exit(await main(process.argv.slice(2), processIo()));
}
