import { isTestCode } from './place.ts';
import { dotted, field, type Node, nodeField, type Problem, type Rule, type Source, walk } from './source.ts';

/** Comments that switch a check off. */
const SILENCERS = /@ts-(ignore|nocheck|expect-error)|biome-ignore|eslint-disable|knip-ignore/;

/** What a module gets as a value and does not take by itself, and the files that hand it out. */
const AMBIENT: readonly { readonly what: string; readonly names: RegExp; readonly from: RegExp }[] = [
  { what: 'the environment', names: /^(process|Bun)\.env$/, from: /^src\/app\// },
  { what: 'the clock', names: /^Date\.now$/, from: /^src\/(app\/|core\/std\/clock\.ts$)/ },
  { what: 'chance', names: /^Math\.random$/, from: /^src\/(app\/|core\/std\/random\.ts$)/ },
];

/** Tests that do not run, or keep others from running. A skip is for programs that may be absent, in test/ alone. */
const NOT_RUN = /^(test|it|describe)\.(only|todo|todoIf|failing)$/;
const SKIPS = /^(test|it|describe)\.(skip|skipIf|if)$/;

const loosened = (node: Node): string | undefined => {
  if (node.type === 'TSAnyKeyword') return '`any`: say what it is, or `unknown`';
  if (node.type === 'TSNonNullExpression') return '`!`: show the compiler why it cannot be absent';
  if (node.type === 'PropertyDefinition' && field(node, 'definite') === true) return '`!` on a property';
  if (node.type === 'TSEnumDeclaration') return 'an enum: use a union of strings';
  return undefined;
};

/** An error caught and thrown away. A comment that says why nothing is to be done is enough. */
const swallowed = (source: Source, node: Node): string | undefined => {
  const body = node.type === 'CatchClause' ? nodeField(node, 'body') : undefined;
  if (!body || JSON.stringify(field(body, 'body')) !== '[]') return undefined;
  const [first, last] = [source.lineOf(body.start), source.lineOf(body.end)];
  const explained = source.comments.some((comment) => comment.line >= first && comment.line <= last);
  return explained ? undefined : 'an error is swallowed: handle it, or say why nothing is to be done';
};

const isBareDate = (node: Node): boolean =>
  node.type === 'NewExpression' &&
  dotted(nodeField(node, 'callee')) === 'Date' &&
  JSON.stringify(field(node, 'arguments')) === '[]';

const ambient = (path: string, node: Node): string | undefined => {
  if (!path.startsWith('src/') || isTestCode(path)) return undefined;
  const name = isBareDate(node) ? 'Date.now' : node.type === 'MemberExpression' ? dotted(node) : '';
  const taken = AMBIENT.find((one) => one.names.test(name) && !one.from.test(path));
  return taken && `${name} takes ${taken.what} by itself: it is handed in as a value`;
};

const unrun = (path: string, node: Node): string | undefined => {
  if (node.type !== 'MemberExpression') return undefined;
  const name = dotted(node);
  if (NOT_RUN.test(name)) return `${name}: every test runs`;
  if (SKIPS.test(name) && !path.startsWith('test/')) return `${name}: only tests of other programs, in test/, may skip`;
  return undefined;
};

const problemsOf = (source: Source): Problem[] => {
  const found: Problem[] = [];
  const add = (line: number, message: string | undefined) => {
    if (message) found.push({ path: source.path, line, message });
  };
  if (source.hasDefaultExport) add(1, 'a default export: give it a name');
  for (const comment of source.comments) {
    if (SILENCERS.test(comment.text)) add(comment.line, 'a comment that switches a check off');
  }
  walk(source.program, (node) => {
    const line = source.lineOf(node.start);
    add(line, loosened(node));
    add(line, swallowed(source, node));
    add(line, ambient(source.path, node));
    add(line, unrun(source.path, node));
  });
  return found;
};

/** The parts of the language that are left alone. */
export const language: Rule = { name: 'language', check: (project) => project.sources.flatMap(problemsOf) };
