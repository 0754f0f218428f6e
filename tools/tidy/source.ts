import { parseSync } from 'oxc-parser';

/** A node of the syntax tree: what every rule needs of it. */
export type Node = { readonly type: string; readonly start: number; readonly end: number };

export type Import = { readonly from: string; readonly line: number };

/** One TypeScript or JavaScript file of the checkout, parsed once for all rules. */
export type Source = {
  /** Relative to the root, with `/`. */
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  readonly comments: readonly { readonly text: string; readonly line: number }[];
  readonly hasDefaultExport: boolean;
  readonly program: Node;
  lineOf(offset: number): number;
};

export type Problem = { readonly path: string; readonly line?: number; readonly message: string };

/** Everything that rules look at. Made from the disk by `readProject`, or by hand in the tests of the rules. */
export type Project = {
  readonly sources: readonly Source[];
  /** Texts of all other files too, by path. */
  readonly texts: ReadonlyMap<string, string>;
};

export type Rule = { readonly name: string; check(project: Project): Problem[] };

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string' && 'start' in value;

/** A field of a node, which may be absent: the tree has a hundred kinds and rules look at few. */
export const field = (node: Node, name: string): unknown => Object.entries(node).find(([key]) => key === name)?.[1];

export const nodeField = (node: Node, name: string): Node | undefined => {
  const value = field(node, name);
  return isNode(value) ? value : undefined;
};

export const listField = (node: Node, name: string): readonly Node[] => {
  const value = field(node, name);
  return Array.isArray(value) ? value.filter(isNode) : [];
};

/** The name of an identifier, or of `a.b` as `a.b`; empty for anything else. */
export const dotted = (node: Node | undefined): string => {
  if (!node) return '';
  if (node.type === 'Identifier') return String(field(node, 'name'));
  if (node.type !== 'MemberExpression') return '';
  const object = dotted(nodeField(node, 'object'));
  const property = dotted(nodeField(node, 'property'));
  return object && property ? `${object}.${property}` : '';
};

/** Visits a tree, parents before children. */
export const walk = (node: Node, visit: (node: Node, parents: readonly Node[]) => void, parents: Node[] = []): void => {
  visit(node, parents);
  parents.push(node);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) walk(child, visit, parents);
  }
  parents.pop();
};

const lineCounter = (text: string): ((offset: number) => number) => {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    const next = starts.findIndex((start) => start > offset);
    return next < 0 ? starts.length : next;
  };
};

/** `import`, `export … from`, `import()` and `import('…')` in types: every way to name another file. */
const importsOf = (program: Node, lineOf: (offset: number) => number): Import[] => {
  const found: Import[] = [];
  const carriers = new Set([
    'ImportDeclaration',
    'ExportNamedDeclaration',
    'ExportAllDeclaration',
    'ImportExpression',
    'TSImportType',
  ]);
  walk(program, (node) => {
    const source = carriers.has(node.type) ? nodeField(node, 'source') : undefined;
    const value = source && field(source, 'value');
    if (typeof value === 'string') found.push({ from: value, line: lineOf(node.start) });
  });
  return found;
};

export const parseSource = (path: string, text: string): Source => {
  const parsed = parseSync(path, text);
  const broken = parsed.errors[0];
  if (broken) throw new Error(`${path}: ${broken.message}`);
  const program: Node = parsed.program;
  const lineOf = lineCounter(text);
  return {
    path,
    lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0),
    imports: importsOf(program, lineOf),
    comments: parsed.comments.map((comment) => ({ text: comment.value, line: lineOf(comment.start) })),
    hasDefaultExport: parsed.module.staticExports.some((one) =>
      one.entries.some(({ exportName }) => exportName.kind === 'Default' || exportName.name === 'default'),
    ),
    program,
    lineOf,
  };
};
