import { nameOf } from './issue.ts';
import type { ConfigSource, EffectiveEntry, Override } from './load.ts';
import type { Path, PositionedYaml } from './position.ts';
import type { Config } from './schema.ts';

/** Where a value came from: a place in a file, a flag, a variable, or nobody. */
export type Origin = string;

type Sources = {
  readonly yaml: PositionedYaml;
  readonly source: ConfigSource;
  readonly overrides: readonly Override[];
};

/** Every value in force with where it came from, in the order of the file's form. */
export function effectiveEntries(config: Config, sources: Sources): EffectiveEntry[] {
  return leaves(config, []).map(({ path, value }) => ({ key: nameOf(path), value, origin: originOf(path, sources) }));
}

function originOf(path: Path, { yaml, source, overrides }: Sources): Origin {
  const override = overrides.findLast((one) => one.path.join('\0') === path.join('\0'));
  if (override) return override.origin;
  if (source.file === '' || !yaml.has(path)) return 'default';
  const { line, column } = yaml.valueAt(path);
  return `${source.file}:${line}:${column}`;
}

function leaves(value: unknown, path: Path): { path: Path; value: unknown }[] {
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (isMap) {
    return Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .flatMap(([key, inner]) => leaves(inner, [...path, key]));
  }
  const hasMaps = Array.isArray(value) && value.some((item) => typeof item === 'object');
  return hasMaps ? value.flatMap((item, index) => leaves(item, [...path, index])) : [{ path, value }];
}

/** Sets a value in plain data, making the maps on the way. */
export function setIn(root: unknown, path: Path, value: unknown): void {
  let current = root;
  for (const part of path.slice(0, -1)) {
    if (!isRecord(current)) return;
    current[part] ??= {};
    current = current[part];
  }
  const last = path.at(-1);
  if (isRecord(current) && last !== undefined) current[last] = value;
}

function isRecord(value: unknown): value is Record<PropertyKey, unknown> {
  return typeof value === 'object' && value !== null;
}
