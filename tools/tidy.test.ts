import { describe, expect, test } from 'bun:test';
import path from 'node:path';
import { readProject } from './tidy/project.ts';
import { rules } from './tidy/rules.ts';

describe('the checkout is tidy', () => {
  const project = readProject(path.dirname(import.meta.dir));
  for (const rule of rules) {
    test(rule.name, () => {
      const problems = rule
        .check(project)
        .map(({ path, line, message }) => `${path}${line ? `:${line}` : ''}: ${message}`);
      expect(problems).toEqual([]);
    });
  }
});
