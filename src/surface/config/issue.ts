import type { z } from 'zod';
import { FORMS } from './field.ts';
import { allowedKeys, typesOfKey } from './json-schema.ts';
import { isLaterKey } from './later.ts';
import type { Path } from './position.ts';
import { nearest } from './problem.ts';

type Issue = z.core.$ZodIssue;
/** A problem before it has a place: `at` says whether the key or the value is wrong. */
export type Finding = { readonly path: Path; readonly at: 'key' | 'value'; readonly message: string };

/** A schema issue in our words, one finding for each wrong thing. */
export function findingsOf(issue: Issue, value: unknown, around: Path = []): Finding[] {
  const path = [...around, ...issue.path];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey(path, key, value));
    case 'invalid_union':
      // Branches that a word tells apart, and the word is none of theirs.
      if (issue.discriminator !== undefined) return [wrongWord(path, discriminators(issue), valueIn(value, path))];
      return branchMeant(issue.errors).flatMap((inner) => findingsOf(inner, value, path));
    case 'invalid_type':
      return [wrongType(path, formOf(issue), valueIn(value, path))];
    case 'invalid_value':
      return [wrongWord(path, issue.values.map(String), valueIn(value, path))];
    case 'too_small':
    case 'too_big':
      return [{ path, at: 'value', message: wrongAmount(nameOf(path), issue) }];
    default:
      return [{ path, at: 'value', message: `${nameOf(path)}: ${issue.message}` }];
  }
}

function discriminators(issue: Issue): readonly string[] {
  return 'options' in issue && Array.isArray(issue.options) ? issue.options.map(String) : [];
}

function wrongAmount(name: string, issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  if (issue.code === 'too_big') return `${name}: expected at most ${issue.maximum}`;
  return issue.origin === 'number' || issue.origin === 'int'
    ? `${name}: expected at least ${issue.minimum}`
    : `${name} is empty`;
}

function unknownKey(parent: Path, key: string, value: unknown): Finding {
  const path = [...parent, key];
  if (isLaterKey(path)) {
    return { path, at: 'key', message: `"${key}"${inPlace(parent)} is not in this release` };
  }
  const type = valueIn(value, [...parent, 'type']);
  const types = typesOfKey(parent, key);
  if (types.length > 0 && typeof type === 'string') {
    return { path, at: 'key', message: `"${key}"${inPlace(parent)} is for type ${types.join(' or ')}, not ${type}` };
  }
  const keys = allowedKeys(parent, type);
  const meant = nearest(key, keys) ?? secretKey(key, keys);
  const hint = meant === undefined ? '' : ` (did you mean "${meant}"?)`;
  return { path, at: 'key', message: `unknown key "${key}"${inPlace(parent)}${hint}` };
}

/** `password` where only `passwordFile` is known: secrets never stand in the file itself. */
function secretKey(key: string, keys: readonly string[]): string | undefined {
  return keys.find((known) => known === `${key}File`);
}

function wrongType(path: Path, expected: string, found: unknown): Finding {
  if (found === undefined) return { path, at: 'value', message: `${nameOf(path)} is missing` };
  return { path, at: 'value', message: `${nameOf(path)}: expected ${expected}, got ${describe(found)}` };
}

function wrongWord(path: Path, allowed: readonly string[], found: unknown): Finding {
  if (found === undefined)
    return { path, at: 'value', message: `${nameOf(path)} is missing; write ${allowed.join(' or ')}` };
  const meant = typeof found === 'string' ? nearest(found, allowed) : undefined;
  const hint = meant === undefined ? '' : ` (did you mean "${meant}"?)`;
  return {
    path,
    at: 'value',
    message: `${nameOf(path)}: expected ${allowed.join(' or ')}, got ${describe(found)}${hint}`,
  };
}

/** Of a union's branches, the one whose outer type fits: its complaints are the useful ones. */
function branchMeant(branches: readonly (readonly Issue[])[]): readonly Issue[] {
  const fitting = branches.find(
    (issues) => !issues.some((issue) => issue.code === 'invalid_type' && issue.path.length === 0),
  );
  return fitting ?? branches[0] ?? [];
}

export function nameOf(path: Path): string {
  return (
    path.reduce<string>((name, part) => {
      if (typeof part === 'number') return `${name}[${part}]`;
      return name === '' ? String(part) : `${name}.${String(part)}`;
    }, '') || 'the file'
  );
}

function inPlace(parent: Path): string {
  return parent.length === 0 ? '' : ` in ${nameOf(parent)}`;
}

function valueIn(value: unknown, path: Path): unknown {
  let current = value;
  for (const part of path) {
    if (typeof current !== 'object' || current === null) return undefined;
    current = (current as Readonly<Record<PropertyKey, unknown>>)[part];
  }
  return current;
}

function describe(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  return typeof value === 'string' ? `"${value.slice(0, 60)}"` : String(value);
}

/** What is expected: the form that the field names itself, or the kind of value. */
function formOf(issue: z.core.$ZodIssueInvalidType): string {
  return Object.values<string>(FORMS).includes(issue.message) ? issue.message : article(issue.expected);
}

function article(type: string): string {
  const words: Readonly<Record<string, string>> = {
    object: 'a map',
    record: 'a map',
    array: 'a list',
    string: 'a text',
    boolean: 'true or false',
    number: 'a number',
    int: 'a whole number',
  };
  return words[type] ?? type;
}
