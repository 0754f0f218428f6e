import { describe, expect, test } from 'bun:test';
import { exitCodeOf, lastLine, parseReport, tally } from './report.ts';

const xml = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="4">
  <testsuite name="a.test.ts" file="a.test.ts">
    <testcase name="one &lt;b&gt; &quot;c&quot;" classname="group" time="0" file="a.test.ts" line="1" assertions="1" />
    <testcase name="two" classname="" time="0" file="a.test.ts" line="2" assertions="1">
      <failure type="Error" message="x">Error: x</failure>
    </testcase>
    <testcase name="three (crane is not installed)" classname="" time="0" file="a.test.ts">
      <skipped />
    </testcase>
    <testcase name="four" classname="" time="0" file="a.test.ts" />
  </testsuite>
  <testsuite name="gone.test.ts" file="gone.test.ts" tests="1" failures="1"></testsuite>
</testsuites>`;

describe('the report of a run', () => {
  test('every case keeps its file, its full name and its outcome', () => {
    expect(parseReport(xml)).toEqual([
      { file: 'a.test.ts', name: 'group > one <b> "c"', outcome: 'passed' },
      { file: 'a.test.ts', name: 'two', outcome: 'failed' },
      { file: 'a.test.ts', name: 'three (crane is not installed)', outcome: 'skipped' },
      { file: 'a.test.ts', name: 'four', outcome: 'passed' },
    ]);
  });

  const table = [
    { name: 'as reported', files: ['a.test.ts'], xml, exitCode: 1, line: '2 passed, 1 failed, 1 skipped' },
    {
      name: 'a worker that crashed counts as failed',
      files: ['a.test.ts', 'gone.test.ts'],
      xml,
      exitCode: 1,
      line: '2 passed, 2 failed, 1 skipped',
    },
    {
      name: 'a file that crashed at import is in no report',
      files: ['a.test.ts', 'broken.test.ts'],
      xml,
      exitCode: 1,
      line: '2 passed, 2 failed, 1 skipped',
    },
    {
      name: 'a runner that died before its report',
      files: ['a.test.ts'],
      xml: undefined,
      exitCode: 0,
      line: '0 passed, 1 failed, 0 skipped',
    },
    {
      name: 'a bad end without a failed case',
      files: ['b.test.ts'],
      xml: '<testcase name="x" file="b.test.ts" />',
      exitCode: 1,
      line: '1 passed, 1 failed, 0 skipped',
    },
  ];
  for (const row of table) {
    test(row.name, () => {
      const total = tally(row);
      expect(lastLine(total)).toBe(row.line);
      expect(exitCodeOf(total, false)).toBe(1);
    });
  }

  test('a skip fails only where everything must run', () => {
    const total = tally({
      files: ['s.test.ts'],
      xml: '<testcase name="x" file="s.test.ts" /><testcase name="y" file="s.test.ts"><skipped /></testcase>',
      exitCode: 0,
    });
    expect(exitCodeOf(total, false)).toBe(0);
    expect(exitCodeOf(total, true)).toBe(1);
  });

  test('a run of nothing has not passed', () => {
    expect(exitCodeOf(tally({ files: [], xml: '', exitCode: 0 }), false)).toBe(1);
  });
});
