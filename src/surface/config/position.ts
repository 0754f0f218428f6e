import { type Document, isMap, isPair, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';

export type Path = readonly PropertyKey[];
export type Position = { readonly line: number; readonly column: number };

/** A YAML text together with the place of everything in it. */
export type PositionedYaml = {
  readonly value: unknown;
  readonly syntaxErrors: readonly { readonly message: string; readonly position: Position }[];
  /** Where the value at a path stands, or the nearest thing around it. */
  valueAt(path: Path): Position;
  /** Where the last key of a path stands. */
  keyAt(path: Path): Position;
  has(path: Path): boolean;
};

export function parseYaml(text: string): PositionedYaml {
  const lines = new LineCounter();
  // Aliases may expand without bound ("billion laughs"); the parser's own limit of 100 holds.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const syntaxErrors = document.errors.map((error) => ({ message: error.message, position: at(error.pos[0]) }));
  return {
    value: syntaxErrors.length > 0 ? undefined : (document.toJS() ?? {}),
    syntaxErrors,
    has: (path) => document.hasIn(path),
    valueAt: (path) => {
      for (let length = path.length; length > 0; length--) {
        const found = offsetOf(document, path.slice(0, length), 'value');
        if (found !== undefined) return at(found);
      }
      return { line: 1, column: 1 };
    },
    keyAt: (path) => at(offsetOf(document, path, 'key') ?? 0),
  };
}

function offsetOf(document: Document, path: Path, side: 'key' | 'value'): number | undefined {
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  const last = path.at(-1);
  if (isSeq(parent)) return startOf(parent.items[Number(last)]);
  if (!isMap(parent)) return undefined;
  const pair = parent.items.find(
    (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(last),
  );
  if (!pair) return undefined;
  return startOf(side === 'key' ? pair.key : pair.value) ?? startOf(pair.key);
}

function startOf(node: unknown): number | undefined {
  if (typeof node !== 'object' || node === null || !('range' in node) || !Array.isArray(node.range)) return undefined;
  const [start] = node.range;
  return typeof start === 'number' ? start : undefined;
}
