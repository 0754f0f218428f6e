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
  /** Of branches that a word in them tells apart. */
  readonly oneOf?: readonly SchemaNode[];
};

/** Draft 7, which the editors' YAML plugins read. */
export function configJsonSchema(): SchemaNode {
  const schema = z.toJSONSchema(configSchema, { target: 'draft-7', io: 'input' });
  return { title: 'Entrepot configuration', ...schema } as SchemaNode;
}

/** The keys that may stand in the map at `path`; where a `type` tells maps apart, those of this type. */
export function allowedKeys(path: Path, type: unknown): string[] {
  const found = nodesAt(configJsonSchema(), path);
  const ofType = found.filter((node) => typeOf(node) === type);
  const meant = ofType.length > 0 ? ofType : found;
  return [...new Set(meant.flatMap((node) => Object.keys(node.properties ?? {})))];
}

/** Of maps that a `type` tells apart, the types that have this key. */
export function typesOfKey(path: Path, key: string): string[] {
  return nodesAt(configJsonSchema(), path)
    .filter((node) => node.properties?.[key] !== undefined)
    .flatMap((node) => typeOf(node) ?? []);
}

/** The word of a branch that `type` tells apart from others. */
export function typeOf(node: SchemaNode): string | undefined {
  const word = node.properties?.type?.const;
  return typeof word === 'string' ? word : undefined;
}

function nodesAt(root: SchemaNode, path: Path): SchemaNode[] {
  let nodes = [root];
  for (const part of path) nodes = nodes.flatMap((node) => branchesOf(node).flatMap((branch) => childOf(branch, part)));
  return nodes.flatMap(branchesOf);
}

export function branchesOf(node: SchemaNode): readonly SchemaNode[] {
  return node.oneOf ?? node.anyOf ?? [node];
}

function childOf(node: SchemaNode, part: PropertyKey): SchemaNode[] {
  if (typeof part === 'number') return node.items ? [node.items] : [];
  const named = node.properties?.[String(part)];
  if (named) return [named];
  return typeof node.additionalProperties === 'object' ? [node.additionalProperties] : [];
}
