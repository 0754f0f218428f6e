import { expect, test } from 'bun:test';
import { formatProblem, readConfig } from './mod.ts';

test('the example of the README', () => {
  const result = readConfig({ text: 'version: 1\nstorag: {}\n', file: 'entrepot.yaml', folder: '/srv' });
  expect(result.problems.map(formatProblem)).toEqual([
    'entrepot.yaml:2:1  unknown key "storag" (did you mean "storage"?)',
  ]);
});
