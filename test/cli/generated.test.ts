import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Glob } from 'bun';
import { nounsWithoutText } from '../../src/app/cli/reference.ts';
import { formatProblem, readConfig } from '../../src/surface/config/mod.ts';
import { GENERATED, ROOT } from './generated.ts';

describe('generated files are those of the code (bun test/cli/generated.ts writes them)', () => {
  for (const { path, text } of GENERATED) {
    test(path, () => expect(readFileSync(join(ROOT, path), 'utf8')).toBe(text()));
  }
});

test('every noun has a description', () => expect(nounsWithoutText()).toEqual([]));

describe('examples', () => {
  const files = [...new Glob('examples/*.yaml').scanSync({ cwd: ROOT })].toSorted();
  test('there are some', () => expect(files.length).toBeGreaterThan(0));
  for (const file of files) {
    test(`${file} is good`, () => {
      const text = readFileSync(join(ROOT, file), 'utf8');
      const { problems } = readConfig({ text, file, folder: join(ROOT, 'examples') });
      expect(problems.map(formatProblem)).toEqual([]);
    });
  }
});
