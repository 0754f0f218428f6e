/** What a run of `bun test --reporter=junit` said, counted so that nothing that did not run can pass unseen. */

export type Outcome = 'passed' | 'failed' | 'skipped';

export type Case = { readonly file: string; readonly name: string; readonly outcome: Outcome };

export type Tally = { readonly passed: number; readonly failed: readonly Case[]; readonly skipped: readonly Case[] };

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", '#10': ' ' };

const plain = (text: string): string => text.replace(/&(#?\w+);/g, (all, name: string) => ENTITIES[name] ?? all);

const attributes = (text: string): ReadonlyMap<string, string> => {
  const found = new Map<string, string>();
  for (const [, name, value] of text.matchAll(/([\w-]+)="([^"]*)"/g)) found.set(name ?? '', plain(value ?? ''));
  return found;
};

const outcomeOf = (body: string): Outcome => {
  if (/<(failure|error)\b/.test(body)) return 'failed';
  return /<skipped\b/.test(body) ? 'skipped' : 'passed';
};

/** Reads the report. Bun is its only writer, so this knows its shape and not all of XML. */
export const parseReport = (xml: string): Case[] => {
  const cases: Case[] = [];
  for (const [, head = '', closed, body = ''] of xml.matchAll(
    /<testcase\b((?:[^>"]|"[^"]*")*?)(?:(\/)>|>([\s\S]*?)<\/testcase>)/g,
  )) {
    const at = attributes(head);
    const name = [at.get('classname'), at.get('name')].filter(Boolean).join(' > ');
    cases.push({ file: at.get('file') ?? '', name, outcome: closed ? 'passed' : outcomeOf(body) });
  }
  return cases;
};

export type Run = {
  /** The files that were asked to run, relative to the checkout. */
  readonly files: readonly string[];
  /** The report, or undefined when the runner ended before it wrote one. */
  readonly xml: string | undefined;
  readonly exitCode: number;
};

const notRun = (file: string): Case => ({ file, name: 'the file did not run, or holds no test', outcome: 'failed' });

/** Adds up a run. A file that crashed at import is in no report, so each one that is missing counts as failed. */
export const tally = (run: Run): Tally => {
  const cases = run.xml === undefined ? [] : parseReport(run.xml);
  const reported = new Set(cases.map((one) => one.file));
  // A worker that crashed has a suite of its own without any case in it.
  const missing = run.files.filter((file) => !reported.has(file)).map(notRun);
  const failed = [...cases.filter((one) => one.outcome === 'failed'), ...missing];
  if (run.exitCode !== 0 && failed.length === 0) {
    failed.push({ file: '', name: `the runner exited with ${run.exitCode}: see its output above`, outcome: 'failed' });
  }
  return {
    passed: cases.filter((one) => one.outcome === 'passed').length,
    failed,
    skipped: cases.filter((one) => one.outcome === 'skipped'),
  };
};

/** The last line, which scripts read. */
export const lastLine = (total: Tally): string =>
  `${total.passed} passed, ${total.failed.length} failed, ${total.skipped.length} skipped`;

/** Zero when all went well. Where everything must run (CI installs every program) a skip is a failure too. */
export const exitCodeOf = (total: Tally, requireAll: boolean): 0 | 1 =>
  total.failed.length > 0 || (requireAll && total.skipped.length > 0) || total.passed === 0 ? 1 : 0;
