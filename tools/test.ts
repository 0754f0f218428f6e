// Runs the tests: `npm test`, or `npm test -- src/core tag` for the files whose path holds one of the words.
// The last line is always `N passed, N failed, N skipped`; with ENTREPOT_REQUIRE_ALL=1 a skip is a failure.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Case, exitCodeOf, lastLine, tally } from './runner/report.ts';

/** Far above what the slowest file takes: only a test that spins without yielding meets it. */
const RUN_LIMIT_MS = 30 * 60_000;

/** A test that needs longer says so itself. */
const TEST_LIMIT_MS = 30_000;

const root = path.dirname(import.meta.dir);

const filesToRun = async (words: readonly string[]): Promise<string[]> => {
  const found: string[] = [];
  for await (const file of new Bun.Glob('{src,tools,test,bench}/**/*.test.ts').scan({ cwd: root })) found.push(file);
  const wanted = found.filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
  return wanted.sort();
};

const runFiles = async (files: readonly string[], flags: readonly string[]) => {
  const scratch = await mkdtemp(path.join(tmpdir(), 'entrepot-test-'));
  const report = path.join(scratch, 'report.xml');
  // Workers: a file that crashes or leaks takes no other with it. `--parallel` takes as many as there are processors.
  const reporter = [
    '--parallel',
    `--timeout=${TEST_LIMIT_MS}`,
    '--only-failures',
    '--reporter=junit',
    `--reporter-outfile=${report}`,
  ];
  try {
    const child = Bun.spawn([process.execPath, 'test', ...reporter, ...flags, ...files.map((file) => `./${file}`)], {
      cwd: root,
      stdin: 'ignore',
      stdout: 'inherit',
      stderr: 'inherit',
      timeout: RUN_LIMIT_MS,
      killSignal: 'SIGKILL',
    });
    const exitCode = await child.exited;
    const xml = await readFile(report, 'utf8').catch(() => undefined);
    return { files, xml, exitCode };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
};

const list = (title: string, cases: readonly Case[]): void => {
  if (cases.length === 0) return;
  console.log(`\n${title}:`);
  for (const one of cases) console.log(`  ${one.file}: ${one.name}`);
};

const args = process.argv.slice(2);
const flags = args.filter((arg) => arg.startsWith('-'));
const files = await filesToRun(args.filter((arg) => !arg.startsWith('-')));
if (files.length === 0) console.log(`No test file matches: ${args.join(' ')}`);
const total = files.length === 0 ? tally({ files: [], xml: '', exitCode: 0 }) : tally(await runFiles(files, flags));
const requireAll = process.env.ENTREPOT_REQUIRE_ALL === '1';
list('skipped', total.skipped);
list('failed', total.failed);
console.log(`\n${lastLine(total)}`);
process.exitCode = exitCodeOf(total, requireAll);
