import { expect, test } from 'bun:test';
import { asDocumented, configOf, stepsOf } from './transcript.ts';

const DOCUMENT = '# A\n\n```yaml\nversion: 1\nlog: {}\n```\n\n```console\n$ one --two\nout …\nmore\n$ three\n```\n';

test('a document is read into its configuration and its commands', () => {
  expect(configOf(DOCUMENT)).toBe('version: 1\nlog: {}\n');
  expect(stepsOf(DOCUMENT)).toEqual([
    { command: 'one --two', output: 'out …\nmore\n' },
    { command: 'three', output: '' },
  ]);
});

test('an ellipsis stands for any text of a line, and for no more', () => {
  expect(asDocumented('digest sha256:1 (new)\n', 'digest … (new)\n')).toBe('digest … (new)\n');
  expect(asDocumented('digest a\nb (new)\n', 'digest … (new)\n')).toBe('digest a\nb (new)\n');
});
