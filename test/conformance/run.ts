import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How each case of the suite ended, and what the suite says of them in its own words. */
export type ConformanceResult = {
  readonly passed: number;
  readonly failed: number;
  /** Skipped or disabled: a claim of ours that was not put to the test. */
  readonly skipped: number;
  /** Names of the cases that did not pass, with the suite's reason. */
  readonly failures: readonly string[];
  /** The suite's tables: counts, APIs, data. */
  readonly table: string;
};

export type ConformanceOptions = {
  /** The suite's program. */
  readonly program: string;
  /** `127.0.0.1:port`, plain HTTP. */
  readonly host: string;
  /** First segments of the two repositories; default `conformance`. */
  readonly namespace?: string;
  /** Kept there when given; else in a folder that is removed afterwards. */
  readonly resultsFolder?: string;
};

/** The suite takes some seconds; a registry that hangs must not hang the run. */
const RUN_LIMIT_MS = 180_000;

/** Runs the OCI conformance suite at its `dev` level. Repositories must be empty. */
export async function runConformance(options: ConformanceOptions): Promise<ConformanceResult> {
  const { program, host, namespace = 'conformance', resultsFolder } = options;
  const folder = resultsFolder ?? mkdtempSync(join(tmpdir(), 'entrepot-conformance-'));
  try {
    const suite = Bun.spawn([program], {
      cwd: folder,
      env: {
        ...process.env,
        OCI_REGISTRY: host,
        OCI_TLS: 'disabled',
        OCI_REPO1: `${namespace}/one`,
        OCI_REPO2: `${namespace}/two`,
        OCI_VERSION: 'dev',
        OCI_RESULTS_DIR: folder,
      },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      timeout: RUN_LIMIT_MS,
    });
    const [said, complaints] = await Promise.all([
      new Response(suite.stdout).text(),
      new Response(suite.stderr).text(),
      suite.exited,
    ]);
    const report = Bun.file(join(folder, 'junit.xml'));
    if (!(await report.exists())) throw new Error(`the conformance suite left no report\n${said}\n${complaints}`);
    return { ...readReport(await report.text()), table: tableOf(said) };
  } finally {
    if (resultsFolder === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/** Counts the cases of the suite's JUnit report one by one: its totals leave out what was disabled. */
export function readReport(xml: string): Omit<ConformanceResult, 'table'> {
  const cases = xml.split('<testcase ').slice(1);
  const count = { passed: 0, failed: 0, skipped: 0 };
  const failures: string[] = [];
  for (const each of cases) {
    const status = attribute(each, 'status');
    if (status === 'passed') count.passed += 1;
    else {
      count[status === 'skipped' ? 'skipped' : 'failed'] += 1;
      const reason = /<system-out>([\s\S]*?)<\/system-out>/.exec(each)?.[1] ?? '';
      failures.push(`${status}: ${attribute(each, 'name')}: ${reason.slice(0, 500)}`);
    }
  }
  return { ...count, failures };
}

function attribute(element: string, name: string): string {
  return new RegExp(`\\b${name}="([^"]*)"`).exec(element)?.[1] ?? '';
}

function tableOf(said: string): string {
  const start = said.indexOf('OCI Conformance Result');
  return start < 0 ? said.slice(-4000) : said.slice(start).trimEnd();
}
