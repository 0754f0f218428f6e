// Makes one executable of the program: `npm run build` → dist/entrepot, or `npm run build -- linux-arm64` for another
// platform. It needs nothing on the machine that runs it.
import { mkdirSync, statSync } from 'node:fs';
import path from 'node:path';

const root = path.dirname(import.meta.dir);
/** The program, and the threads it starts by their own file: those are entry points too. */
const ENTRIES = ['src/app/cli/main.ts', 'src/app/writer.ts'];
const TARGET = /^(linux|darwin)-(x64|arm64)(-musl|-baseline)?$/;

const target = process.argv[2];
if (target !== undefined && !TARGET.test(target)) {
  console.error(
    `error: ${target} is no platform to build for. Say one such as linux-x64, linux-arm64 or darwin-arm64.`,
  );
  process.exit(2);
}
const outfile = path.join(root, 'dist', target === undefined ? 'entrepot' : `entrepot-${target}`);
mkdirSync(path.dirname(outfile), { recursive: true });

// Bytecode: a command starts in less than half the time, for nothing is parsed.
// Split: what a command does not use is not loaded; and each piece keeps its own `import.meta.url`, by which the
// writer's thread finds its file. (In one piece bytecode freezes that to the build's.)
// A command runs most of its code a few times: compiling that to machine code costs more than it gives. A server takes
// the usual policy back (src/app/commands/serve.ts).
const flags = [
  '--compile',
  '--compile-jit-policy=8',
  '--bytecode',
  '--format=esm',
  '--splitting',
  '--minify-whitespace',
  '--minify-syntax',
  `--outfile=${outfile}`,
];
if (target !== undefined) flags.push(`--target=bun-${target}`);
// The folder it is started from must not decide how it runs.
flags.push('--no-compile-autoload-dotenv', '--no-compile-autoload-bunfig');
const child = Bun.spawn([process.execPath, 'build', ...flags, ...ENTRIES.map((file) => path.join(root, file))], {
  cwd: root,
  stdin: 'ignore',
  stdout: 'inherit',
  stderr: 'inherit',
});
const exitCode = await child.exited;
if (exitCode === 0) console.log(`${outfile} (${(statSync(outfile).size / 1e6).toFixed(0)} MB)`);
process.exitCode = exitCode;
