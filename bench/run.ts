/**
 * Ours beside its peers, in one run: `bun bench/run.ts [--runs N] [--seconds N] [--check] [--source] [suite…]`.
 * The peers are built programs, and so is ours, unless `--source` asks for the checkout's.
 * See README.md.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cacheFolder, tempFolder } from '../test/harness/temp.ts';
import { type BenchContext, met, type Report, type Suite } from './suite.ts';
import { suites } from './suites/mod.ts';
import { renderReport } from './table.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    results: { type: 'string', default: join(import.meta.dir, 'results') },
    check: { type: 'boolean', default: false },
    source: { type: 'boolean', default: false },
  },
});

const say = (line: string) => void process.stderr.write(`${line}\n`);

function chosen(): readonly Suite[] {
  const unknown = positionals.filter((name) => !suites.some((suite) => suite.name === name));
  if (unknown.length === 0) return suites.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  say(`No suite ${unknown.join(', ')}. There are:`);
  for (const suite of suites) say(`  ${suite.name.padEnd(12)} ${suite.about}`);
  process.exit(2);
}

async function runSuite(suite: Suite): Promise<Report> {
  const temp = tempFolder(`bench-${suite.name}`);
  const context: BenchContext = {
    folder: temp.path,
    cache: cacheFolder(),
    runs: Number(values.runs),
    seconds: Number(values.seconds),
    say,
  };
  try {
    return await suite.run(context);
  } finally {
    temp.dispose();
  }
}

/** Builds what is released, so that the sources measured are today's. */
async function build(): Promise<void> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, '../tools/build.ts')], { stdout: 'ignore' });
  if ((await child.exited) !== 0) throw new Error('the executable could not be built: run "npm run build" to see why');
  process.env.ENTREPOT_BIN = join(import.meta.dir, '../dist/entrepot');
}

if (!values.source && process.env.ENTREPOT_BIN === undefined) await build();

let unmet = 0;
for (const suite of chosen()) {
  const report = await runSuite(suite);
  const text = renderReport(suite.name, report);
  process.stdout.write(`${text}\n`);
  mkdirSync(values.results, { recursive: true });
  const stem = join(values.results, `${new Date().toISOString().slice(0, 10)}-${suite.name}`);
  writeFileSync(`${stem}.txt`, text);
  writeFileSync(
    `${stem}.json`,
    `${JSON.stringify({ goals: report.goals, raw: report.raw, missing: report.missing }, null, 1)}\n`,
  );
  unmet += report.goals.filter((goal) => !met(goal)).length;
}
process.exit(values.check && unmet > 0 ? 1 : 0);
