import { isTestCode } from './place.ts';
import {
  dotted,
  field,
  listField,
  type Node,
  nodeField,
  type Problem,
  type Rule,
  type Source,
  walk,
} from './source.ts';

const MAX_FILE_LINES = 400;
const MAX_FUNCTION_LINES = 70;
/** Then one more: an options object, or `call` (who, why, with what patience) as in the Registry contract. */
const MAX_PARAMETERS = 3;
const MAX_METHODS = 8;

const BODIES = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);
const SIGNATURES = new Set(['TSMethodSignature', 'TSFunctionType', 'TSCallSignatureDeclaration']);

/** The name of the function that is called with this one: `describe`, `test`, `describe.each` and so on. */
const calledWith = (node: Node, parent: Node | undefined): string => {
  if (parent?.type !== 'CallExpression' || !listField(parent, 'arguments').includes(node)) return '';
  const callee = nodeField(parent, 'callee');
  // `test.each(table)('name', …)` calls what a call answered.
  return dotted(callee) || dotted(callee && nodeField(callee, 'callee'));
};

/** A `describe` block is a heading with tests below it, not a function. */
const isHeading = (node: Node, parent: Node | undefined): boolean => /^describe\b/.test(calledWith(node, parent));

/** A test stands for itself: its lines are not those of the function that lists it. Suites name their own `test`. */
const isCase = (source: Source, node: Node, parent: Node | undefined): boolean => {
  if (!isTestCode(source.path) || !parent || calledWith(node, parent) === '') return false;
  const title = listField(parent, 'arguments')[0];
  return title?.type === 'TemplateLiteral' || (title?.type === 'Literal' && typeof field(title, 'value') === 'string');
};

const linesOf = (source: Source, node: Node): number => source.lineOf(node.end) - source.lineOf(node.start) + 1;

/** Lines of a function without those of the tests that it lists. */
const ownLines = (source: Source, node: Node): number => {
  let cases = 0;
  const inner: Node[] = [];
  walk(node, (child, parents) => {
    const within = parents.some((parent) => inner.includes(parent));
    if (child !== node && !within && isCase(source, child, parents.at(-1))) {
      inner.push(child);
      cases += linesOf(source, child);
    }
  });
  return linesOf(source, node) - cases;
};

/** Parameters that count: not `this`, and not a last `call` or options object. */
const parametersOf = (node: Node): number => {
  const list = listField(node, 'params').filter((one) => dotted(one) !== 'this');
  const end = list.at(-1);
  const last = end?.type === 'AssignmentPattern' ? nodeField(end, 'left') : end;
  const isExtra = last?.type === 'ObjectPattern' || ['call', 'options'].includes(dotted(last));
  return isExtra ? list.length - 1 : list.length;
};

const methodsOf = (members: readonly Node[]): number =>
  members.filter((member) => {
    if (member.type === 'TSMethodSignature') return true;
    const annotation = nodeField(member, 'typeAnnotation');
    return annotation !== undefined && nodeField(annotation, 'typeAnnotation')?.type === 'TSFunctionType';
  }).length;

const tooBig = (source: Source, node: Node, parent: Node | undefined): string | undefined => {
  if (BODIES.has(node.type) && !isHeading(node, parent)) {
    const lines = ownLines(source, node);
    if (lines > MAX_FUNCTION_LINES) return `a function of ${lines} lines (at most ${MAX_FUNCTION_LINES})`;
  }
  if (BODIES.has(node.type) || SIGNATURES.has(node.type)) {
    const count = parametersOf(node);
    if (count > MAX_PARAMETERS) return `${count} parameters (at most ${MAX_PARAMETERS}, then an options object)`;
  }
  if (node.type === 'TSInterfaceBody' || node.type === 'TSTypeLiteral') {
    const count = methodsOf(listField(node, node.type === 'TSInterfaceBody' ? 'body' : 'members'));
    if (count > MAX_METHODS) return `an interface of ${count} methods (at most ${MAX_METHODS}: split it by role)`;
  }
  return undefined;
};

const problemsOf = (source: Source): Problem[] => {
  const found: Problem[] = [];
  if (source.lines > MAX_FILE_LINES) {
    found.push({ path: source.path, message: `${source.lines} lines (at most ${MAX_FILE_LINES})` });
  }
  walk(source.program, (node, parents) => {
    const message = tooBig(source, node, parents.at(-1));
    if (message) found.push({ path: source.path, line: source.lineOf(node.start), message });
  });
  return found;
};

/** Files, functions, parameter lists and interfaces that one can hold in one's head. */
export const sizes: Rule = { name: 'sizes', check: (project) => project.sources.flatMap(problemsOf) };
