import { CONFIG_VARIABLES } from './find.ts';
import { branchesOf, configJsonSchema, type SchemaNode, typeOf } from './json-schema.ts';

/** The reference page of the file, from its schema. */
export function configReference(): string {
  const rows = rowsOf(configJsonSchema(), '');
  const variables = CONFIG_VARIABLES.map(({ variable, path }) => `| \`${variable}\` | \`${path.join('.')}\` |`);
  return `${[
    '# entrepot.yaml',
    '',
    'Generated from the schema; do not edit. `entrepot config check` names every mistake by line and column,',
    '`entrepot config show` prints each value in force and where it came from.',
    '',
    'Order: flags, `ENTREPOT_…` variables, `--config` or `./entrepot.yaml`, `$XDG_CONFIG_HOME/entrepot/entrepot.yaml`, `/etc/entrepot/entrepot.yaml`, defaults.',
    'Secrets never stand in the file: each is a `…File` or an `…Env`.',
    '',
    '| key | type | default | meaning |',
    '|---|---|---|---|',
    ...rows,
    '',
    '| variable | key |',
    '|---|---|',
    ...variables,
  ].join('\n')}\n`;
}

function rowsOf(node: SchemaNode, name: string): string[] {
  const branches = branchesOf(node);
  const own = name === '' ? [] : [row(name, node, branches)];
  return [
    ...own,
    ...(node.oneOf ? typedRows(node.oneOf, name) : branches.flatMap((branch) => childRows(branch, name))),
  ];
}

/** Maps that a `type` tells apart: what only some types have says which. */
function typedRows(branches: readonly SchemaNode[], name: string): string[] {
  const typesByRow = new Map<string, (string | undefined)[]>();
  for (const branch of branches) {
    for (const line of childRows(branch, name)) typesByRow.set(line, [...(typesByRow.get(line) ?? []), typeOf(branch)]);
  }
  return [...typesByRow].map(([line, types]) =>
    types.length === branches.length || line.startsWith(`| \`${name}.type\``)
      ? line
      : line.replace(/ \|$/, ` (${types.join(', ')}) |`),
  );
}

function childRows(node: SchemaNode, name: string): string[] {
  const inner = (key: string) => (name === '' ? key : `${name}.${key}`);
  const named = Object.entries(node.properties ?? {}).flatMap(([key, child]) => rowsOf(child, inner(key)));
  const any = typeof node.additionalProperties === 'object' ? rowsOf(node.additionalProperties, inner('NAME')) : [];
  // Items of a list are shown once, by the list's other form if it has one.
  const items = name.endsWith('credentials') ? [] : itemRows(node, name);
  return [...named, ...any, ...items];
}

function itemRows({ items }: SchemaNode, name: string): string[] {
  return items ? branchesOf(items).flatMap((item) => (item.properties ? childRows(item, `${name}[]`) : [])) : [];
}

function row(name: string, node: SchemaNode, branches: readonly SchemaNode[]): string {
  const isSimple = node.default !== undefined && (typeof node.default !== 'object' || Array.isArray(node.default));
  const value = isSimple ? `\`${JSON.stringify(node.default)}\`` : '';
  const examples = node.examples?.map((example) => `\`${JSON.stringify(example)}\``).join(', ');
  const meaning = [node.description, examples === undefined ? undefined : `For example ${examples}.`];
  const cells = [
    `\`${name}\``,
    [...new Set(branches.map(typeName))].join(' or '),
    value,
    meaning.filter(Boolean).join(' '),
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function typeName(node: SchemaNode): string {
  if (node.const !== undefined) return `\`${JSON.stringify(node.const)}\``;
  if (node.enum) return node.enum.map((word) => `\`${String(word)}\``).join(', ');
  if (node.type === 'array') {
    return `list of ${node.items ? branchesOf(node.items).map(typeName).join(' or ') : 'values'}`;
  }
  if (node.type === 'object') return 'map';
  if (node.type === 'string') return 'text';
  if (node.type === 'integer') return 'number';
  return node.type === 'boolean' ? 'true, false' : String(node.type ?? 'value');
}
