import { CONFIG_VARIABLES } from './find.ts';
import { configJsonSchema, type SchemaNode } from './json-schema.ts';

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
  const branches = node.anyOf ?? [node];
  const own = name === '' ? [] : [row(name, node, branches)];
  return [...own, ...branches.flatMap((branch) => childRows(branch, name))];
}

function childRows(node: SchemaNode, name: string): string[] {
  const inner = (key: string) => (name === '' ? key : `${name}.${key}`);
  const named = Object.entries(node.properties ?? {}).flatMap(([key, child]) => rowsOf(child, inner(key)));
  const any = typeof node.additionalProperties === 'object' ? rowsOf(node.additionalProperties, inner('NAME')) : [];
  // Items of a list are shown once, by the list's other form if it has one.
  const items = node.items?.properties && !name.endsWith('credentials') ? childRows(node.items, `${name}[]`) : [];
  return [...named, ...any, ...items];
}

function row(name: string, node: SchemaNode, branches: readonly SchemaNode[]): string {
  const isSimple = node.default !== undefined && (typeof node.default !== 'object' || Array.isArray(node.default));
  const value = isSimple ? `\`${JSON.stringify(node.default)}\`` : '';
  const examples = node.examples?.map((example) => `\`${JSON.stringify(example)}\``).join(', ');
  const meaning = [node.description, examples === undefined ? undefined : `For example ${examples}.`];
  const cells = [`\`${name}\``, branches.map(typeName).join(' or '), value, meaning.filter(Boolean).join(' ')];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function typeName(node: SchemaNode): string {
  if (node.const !== undefined) return `\`${JSON.stringify(node.const)}\``;
  if (node.enum) return node.enum.map((word) => `\`${String(word)}\``).join(', ');
  if (node.type === 'array') return `list of ${node.items ? typeName(node.items) : 'values'}`;
  if (node.type === 'object') return 'map';
  if (node.type === 'string') return 'text';
  return node.type === 'boolean' ? 'true, false' : String(node.type ?? 'value');
}
