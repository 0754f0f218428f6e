import { describe, expect, test } from 'bun:test';
import { posix } from 'node:path';
import { STATUS_OF_CODE } from '#core/oci';
import { formatProblem, readConfig } from '#surface/config';
import { isTestCode } from './tidy/place.ts';
import { readProject } from './tidy/project.ts';
import { dotted, field, listField, nodeField, type Project, walk } from './tidy/source.ts';

const project = readProject(posix.dirname(import.meta.dir));
const textOf = (path: string): string => project.texts.get(path) ?? '';
const markdown = [...project.texts].filter(([path]) => path.endsWith('.md'));

/** Codes of `new …Error('CODE', …)` in the product. */
const thrownCodes = ({ sources }: Project): Set<string> => {
  const codes = new Set<string>();
  for (const source of sources.filter(({ path }) => path.startsWith('src/') && !isTestCode(path))) {
    walk(source.program, (node) => {
      if (node.type !== 'NewExpression' || !dotted(nodeField(node, 'callee')).endsWith('Error')) return;
      const code = listField(node, 'arguments').map((one) => field(one, 'value'))[0];
      if (typeof code === 'string' && /^[A-Z_]{4,}$/.test(code)) codes.add(code);
    });
  }
  return codes;
};

describe('docs/errors.md', () => {
  const rows = [...textOf('docs/errors.md').matchAll(/^\| `([A-Z_]+)` \| (?:(\d{3}) \| )?/gm)];
  const documented = rows.map(([, code]) => code ?? '');

  test('lists each code once', () => {
    expect(documented).toEqual([...new Set(documented)]);
  });
  test('has every code of the protocol with its status', () => {
    const statuses = Object.fromEntries(
      rows.filter(([, , status]) => status).map(([, code, status]) => [code, Number(status)]),
    );
    expect(statuses).toEqual({ ...STATUS_OF_CODE });
  });
  test('has every code that the program throws', () => {
    expect([...thrownCodes(project)].filter((code) => !documented.includes(code))).toEqual([]);
  });
});

describe('links in documents', () => {
  const broken = markdown.flatMap(([path, text]) =>
    [...text.matchAll(/\]\(([^)#\s]+)(#[^)]*)?\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !/^[a-z]+:/.test(target))
      .map((target) => posix.normalize(posix.join(posix.dirname(path), target)).replace(/\/$/, ''))
      .filter((target) => ![...project.texts.keys()].some((file) => file === target || file.startsWith(`${target}/`)))
      .map((target) => `${path}: ${target}`),
  );
  test('lead to files that are there', () => {
    expect(broken).toEqual([]);
  });
});

describe('configurations', () => {
  const files = [...project.texts].filter(([path]) => /^examples\/.*\.yaml$/.test(path));
  const inDocs = markdown.flatMap(([path, text]) =>
    [...text.matchAll(/```yaml\n(version: 1\n[\s\S]*?)```/g)].map(([, block = '']): [string, string] => [path, block]),
  );
  for (const [path, text] of [...files, ...inDocs]) {
    test(`in ${path} are right`, () => {
      const result = readConfig({ text, file: path, folder: '/srv' });
      expect(result.problems.map(formatProblem)).toEqual([]);
    });
  }
});

describe('commands in documents', () => {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(textOf('package.json'));
  const named = markdown.flatMap(([, text]) => [...text.matchAll(/npm run ([a-z]+)/g)].map(([, name = '']) => name));
  test('name scripts that there are', () => {
    expect([...new Set(named)].filter((name) => !(name in scripts))).toEqual([]);
  });
});
