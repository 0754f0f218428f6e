import { describe, expect, test } from 'bun:test';
import { arrows } from './arrows.ts';
import { language } from './language.ts';
import { modules } from './modules.ts';
import { packages } from './packages.ts';
import { projectOf } from './project.ts';
import { sizes } from './sizes.ts';
import type { Rule } from './source.ts';
import { texts } from './texts.ts';

type Row = {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  /** A part of the one message that must come; undefined when the files are fine. */
  readonly says?: string;
};

const faces = {
  'src/app/cli/main.ts': '',
  'src/app/commands/gc.ts': '',
  'src/app/compose.ts': '',
  'src/surface/config/mod.ts': '',
  'src/surface/server/mod.ts': '',
  'src/engine/mirror/mod.ts': '',
  'src/integrations/platforms/ecr/mod.ts': '',
  'src/registries/store/mod.ts': '',
  'src/registries/store/blob.ts': '',
  'src/registries/client/mod.ts': '',
  'src/rules/trust/mod.ts': '',
  'src/core/std/mod.ts': '',
  'src/core/oci/mod.ts': '',
  'src/core/sql/mod.ts': '',
  'src/core/registry/mod.ts': '',
  'src/core/registry/contract/mod.ts': '',
};

const uses = (file: string, name: string): Record<string, string> => ({
  ...faces,
  [file]: `import { a } from '${name}';\n`,
});
const lines = (count: number): string => 'a();\n'.repeat(count);
const readme = '# m\n```ts\nimport { a } from "#m";\nconst b = a(1);\n```\n';

const check = (rule: Rule, rows: readonly Row[]): void => {
  describe(rule.name, () => {
    for (const row of rows) {
      test(row.name, () => {
        const said = rule.check(projectOf(row.files)).map((problem) => `${problem.path}: ${problem.message}`);
        expect(said).toHaveLength(row.says === undefined ? 0 : 1);
        expect(said.join('\n')).toContain(row.says ?? '');
      });
    }
  });
};

check(arrows, [
  { name: 'the tree itself', files: faces },
  { name: 'down, over several rows', files: uses('src/app/compose.ts', '#core/oci') },
  { name: 'surface to engine', files: uses('src/surface/server/mod.ts', '#engine/mirror') },
  { name: 'engine to registries', files: uses('src/engine/mirror/mod.ts', '#registries/store') },
  { name: 'registries to rules', files: uses('src/registries/store/mod.ts', '#rules/trust') },
  { name: 'up', files: uses('src/core/oci/mod.ts', '#registries/store'), says: 'core may not import registries' },
  {
    name: 'engine up to surface',
    files: uses('src/engine/mirror/mod.ts', '#surface/config'),
    says: 'arrows go down only',
  },
  {
    name: 'engine and integrations stand side by side',
    files: uses('src/engine/mirror/mod.ts', '#integrations/platforms/ecr'),
    says: 'engine may not import integrations',
  },
  {
    name: 'one layer',
    files: uses('src/registries/store/mod.ts', '#registries/client'),
    says: 'do not see each other',
  },
  {
    name: 'two platforms',
    files: { ...uses('src/integrations/platforms/acr/mod.ts', '#integrations/platforms/ecr') },
    says: 'do not see each other',
  },
  { name: "core's own order", files: uses('src/core/registry/mod.ts', '#core/oci') },
  {
    name: 'registry without sql',
    files: uses('src/core/registry/mod.ts', '#core/sql'),
    says: 'core/registry may not import core/sql',
  },
  { name: 'std on nothing', files: uses('src/core/std/mod.ts', '#core/oci'), says: 'core/std may not import core/oci' },
  { name: 'cli to commands', files: uses('src/app/cli/main.ts', '../commands/gc.ts') },
  { name: 'commands to compose', files: uses('src/app/commands/gc.ts', '../compose.ts') },
  {
    name: 'compose to cli',
    files: uses('src/app/compose.ts', './cli/main.ts'),
    says: 'app/compose may not import app/cli',
  },
  {
    name: 'commands to cli',
    files: uses('src/app/commands/gc.ts', '../cli/main.ts'),
    says: 'app/commands may not import app/cli',
  },
  {
    name: 'into a module, past its face',
    files: uses('src/app/compose.ts', '../registries/store/blob.ts'),
    says: 'reaches into another module',
  },
  { name: 'a face that is not there', files: uses('src/app/compose.ts', '#core/nothing'), says: 'is no file' },
  {
    name: 'a type import is an import',
    files: { ...faces, 'src/core/std/mod.ts': "export type A = import('#core/oci').A;" },
    says: 'may not',
  },
  {
    name: 'an import at run time',
    files: { ...faces, 'src/core/std/mod.ts': "export const a = import('#core/oci');" },
    says: 'may not',
  },
  { name: 'a re-export', files: { ...faces, 'src/core/std/mod.ts': "export * from '#core/oci';" }, says: 'may not' },
  { name: 'test code in a test', files: uses('src/registries/store/a.test.ts', '#core/registry/contract') },
  {
    name: 'test code in the product',
    files: uses('src/registries/store/mod.ts', '#core/registry/contract'),
    says: 'is test code',
  },
  { name: 'a layer that is none', files: { ...faces, 'src/lib/a/mod.ts': '' }, says: 'lib is no layer' },
  { name: 'a file without a module', files: { ...faces, 'src/core/a.ts': '' }, says: 'stands in a module' },
]);

check(packages, [
  { name: 'at home', files: uses('src/surface/config/mod.ts', 'yaml') },
  { name: 'elsewhere', files: uses('src/core/std/mod.ts', 'yaml'), says: 'only in src/surface/config/' },
  { name: 'a path of a package', files: uses('src/core/std/mod.ts', 'hono/cors'), says: 'hono is used only' },
  { name: 'unknown', files: uses('src/core/std/mod.ts', 'left-pad'), says: 'has no module yet' },
  { name: 'the test runner in a test', files: uses('src/core/std/a.test.ts', 'bun:test') },
  { name: 'the test runner in the product', files: uses('src/core/std/mod.ts', 'bun:test'), says: 'is for tests' },
  { name: 'files in pure data', files: uses('src/core/oci/mod.ts', 'node:fs'), says: 'pure data' },
  { name: 'hashing in pure data', files: uses('src/core/oci/mod.ts', 'node:crypto') },
]);

check(sizes, [
  { name: '400 lines', files: { 'src/core/std/a.ts': lines(400) } },
  { name: '401 lines', files: { 'src/core/std/a.ts': lines(401) }, says: '401 lines' },
  { name: 'a function of 70', files: { 'bench/a.ts': `function f() {\n${lines(68)}}` } },
  {
    name: 'a function of 71',
    files: { 'bench/a.ts': `const f = () => {\n${lines(69)}}` },
    says: 'a function of 71 lines',
  },
  { name: 'a long describe of short tests', files: { 'test/a.test.ts': `describe('a', () => {\n${lines(99)}});` } },
  {
    name: 'a list of tests',
    files: { 'test/a.test.ts': `function f() {\n${`test('a', () => {\n${lines(30)}});\n`.repeat(3)}}` },
  },
  { name: 'a long test', files: { 'test/a.test.ts': `test('a', () => {\n${lines(70)}});` }, says: '72 lines' },
  { name: 'three parameters and a call', files: { 'src/a.ts': 'function f(a, b, { c }, call) {}' } },
  { name: 'three parameters and options', files: { 'src/a.ts': 'function f(a, b, c, options = {}) {}' } },
  { name: 'four parameters', files: { 'src/a.ts': 'const f = (a, b, c, d) => a;' }, says: '4 parameters' },
  {
    name: 'four in a signature',
    files: { 'src/a.ts': 'interface A { f(a: 1, b: 2, c: 3, d: 4): void }' },
    says: '4 parameters',
  },
  { name: 'eight methods', files: { 'src/a.ts': `interface A { ${'f(): void;'.repeat(8)} p: string }` } },
  {
    name: 'nine methods',
    files: { 'src/a.ts': `type A = { ${'f(): void; '.repeat(8)} g: () => void }` },
    says: '9 methods',
  },
]);

check(language, [
  { name: 'a default export', files: { 'src/a.ts': 'export default 1;' }, says: 'default export' },
  { name: 'a default by name', files: { 'src/a.ts': 'const a = 1; export { a as default };' }, says: 'default export' },
  { name: 'any', files: { 'src/a.ts': 'const a: any = 1;' }, says: '`any`' },
  { name: 'any, deep in a type', files: { 'src/a.ts': 'type A = Map<string, { a: any[] }>;' }, says: '`any`' },
  { name: 'the word any', files: { 'src/a.ts': "const any = 'any'; // any" } },
  { name: 'non-null', files: { 'src/a.ts': 'const b = a!.c;' }, says: '`!`' },
  { name: 'definite', files: { 'src/a.ts': 'class A { b!: string }' }, says: '`!` on a property' },
  { name: 'an enum', files: { 'src/a.ts': 'enum A { B }' }, says: 'an enum' },
  { name: 'a swallowed error', files: { 'src/a.ts': 'try { a(); } catch {}' }, says: 'swallowed' },
  { name: 'an error of no weight', files: { 'src/a.ts': 'try {\n a();\n} catch {\n// Absent is fine.\n}' } },
  { name: 'a silenced check', files: { 'src/a.ts': '// @ts-expect-error\na();' }, says: 'switches a check off' },
  { name: 'the environment in app', files: { 'src/app/a.ts': 'process.env.A;' } },
  { name: 'the environment elsewhere', files: { 'src/core/std/a.ts': 'process.env.A;' }, says: 'the environment' },
  { name: 'the clock', files: { 'src/core/std/a.ts': 'Date.now();' }, says: 'the clock' },
  { name: 'the clock, newly', files: { 'src/core/std/a.ts': 'new Date();' }, says: 'the clock' },
  { name: 'a given time', files: { 'src/core/std/a.ts': 'new Date(5);' } },
  { name: 'chance', files: { 'src/core/std/a.ts': 'Math.random();' }, says: 'chance' },
  { name: 'a test alone', files: { 'src/core/std/a.test.ts': "test.only('a', f);" }, says: 'every test runs' },
  { name: 'a skip in src', files: { 'src/core/std/a.test.ts': "test.skipIf(b)('a', f);" }, says: 'may skip' },
  { name: 'a skip in test', files: { 'test/a.test.ts': "test.skipIf(b)('a', f);" } },
]);

const module = {
  'src/core/m/mod.ts': '',
  'src/core/m/README.md': readme,
  'src/core/m/readme.test.ts': 'const b = a(1);',
};
check(modules, [
  { name: 'whole', files: module },
  {
    name: 'no face',
    files: { 'src/core/m/README.md': readme, 'src/core/m/readme.test.ts': 'const b = a(1);' },
    says: 'without mod.ts',
  },
  { name: 'no README', files: { 'src/core/m/mod.ts': '' }, says: 'without README.md' },
  { name: 'no example', files: { ...module, 'src/core/m/README.md': '# m' }, says: 'no ```ts example' },
  {
    name: 'an example that nothing runs',
    files: { ...module, 'src/core/m/readme.test.ts': '' },
    says: 'const b = a(1);',
  },
  { name: 'a vague name', files: { ...module, 'src/core/m/utils.ts': '' }, says: 'says nothing' },
  { name: 'a vague test', files: { ...module, 'src/core/m/helpers.test.ts': '' }, says: 'says nothing' },
  { name: 'not kebab', files: { ...module, 'src/core/m/blobStore.ts': '' }, says: 'kebab-case' },
]);

check(texts, [
  { name: 'a folder of a container is fine', files: { 'a.md': 'mounted at /data/blobs, network/workers' } },
  { name: 'a machine path', files: { 'a.md': `see /${'work'}/a` }, says: 'path of one machine' },
  { name: 'a home', files: { 'a.sh': `cd /${'root'}/a` }, says: 'path of one machine' },
  { name: 'a package host', files: { 'bun.lock': `https://registry.npm${'js'}.org/a` }, says: 'package registry' },
]);
