import { VERSION } from '../version.ts';
import type { Io } from './io.ts';

/**
 * The command line: arguments in, exit code out. Everything but the version is loaded when it is needed,
 * so that scripts which ask for the version do not wait for a server's modules.
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  if (asksVersion(argv)) {
    io.stdout.write(VERSION_LINE);
    return 0;
  }
  const { run } = await import('./run.ts');
  return run(argv, io);
}

const VERSION_LINE = `entrepot ${VERSION}\n`;

function asksVersion(argv: readonly string[]): boolean {
  return argv.length === 1 && (argv[0] === 'version' || argv[0] === '--version' || argv[0] === '-V');
}

if (import.meta.main) {
  const argv = process.argv.slice(2);
  if (asksVersion(argv)) {
    await Bun.write(Bun.stdout, VERSION_LINE);
  } else {
    const { processIo } = await import('./process-io.ts');
    process.exit(await main(argv, processIo()));
  }
}
