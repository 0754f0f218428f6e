import { z } from 'zod';
import type { Path } from './position.ts';
import { configSchema } from './schema.ts';

/** A JSON Schema node, as far as this module reads it. */
export type SchemaNode = {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | SchemaNode;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
};

/** Draft 7, which the editors' YAML plugins read. */
export function configJsonSchema(): SchemaNode {
  const schema = z.toJSONSchema(configSchema, { target: 'draft-7', io: 'input' });
  return { title: 'Entrepot configuration', ...schema } as SchemaNode;
}

/** The keys that may stand in the map at `path`. */
export function allowedKeys(path: Path): string[] {
  const found = nodesAt(configJsonSchema(), path);
  return [...new Set(found.flatMap((node) => Object.keys(node.properties ?? {})))];
}

function nodesAt(root: SchemaNode, path: Path): SchemaNode[] {
  let nodes = [root];
  for (const part of path) nodes = nodes.flatMap((node) => branchesOf(node).flatMap((branch) => childOf(branch, part)));
  return nodes.flatMap(branchesOf);
}

function branchesOf(node: SchemaNode): readonly SchemaNode[] {
  return node.anyOf ?? [node];
}

function childOf(node: SchemaNode, part: PropertyKey): SchemaNode[] {
  if (typeof part === 'number') return node.items ? [node.items] : [];
  const named = node.properties?.[String(part)];
  if (named) return [named];
  return typeof node.additionalProperties === 'object' ? [node.additionalProperties] : [];
}
