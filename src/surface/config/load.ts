import { isAbsolute, join, normalize } from 'node:path';
import { AppError } from '#core/std';
import { type Finding, findingsOf } from './issue.ts';
import { effectiveEntries, type Origin, setIn } from './origin.ts';
import { type Path, parseYaml } from './position.ts';
import { type ConfigProblem, formatProblem } from './problem.ts';
import { type Config, configSchema } from './schema.ts';
import { checkMeaning } from './semantic.ts';
import { warningsOf } from './warning.ts';

/** A text with the file it came from; `folder` is what relative paths start at. */
export type ConfigSource = { readonly text: string; readonly file: string; readonly folder: string };

/** A value given elsewhere than in the file: by a flag or in the environment. Of two for one key the later wins. */
export type Override = { readonly path: Path; readonly value: unknown; readonly origin: string };

export type EffectiveEntry = { readonly key: string; readonly value: unknown; readonly origin: Origin };

export type ConfigResult =
  | {
      readonly kind: 'ok';
      readonly config: Config;
      readonly entries: readonly EffectiveEntry[];
      readonly problems: readonly ConfigProblem[];
    }
  | { readonly kind: 'bad'; readonly problems: readonly ConfigProblem[] };

/** Reads, completes and checks a configuration. Every mistake is reported at once. */
export function readConfig(source: ConfigSource, overrides: readonly Override[] = []): ConfigResult {
  const yaml = parseYaml(source.text);
  const problemAt = ({ path, at, message }: Finding, severity: ConfigProblem['severity'] = 'error'): ConfigProblem => {
    const override = overrides.findLast((one) => one.path.join('.') === path.join('.'));
    const place = at === 'key' ? yaml.keyAt(path) : yaml.valueAt(path);
    // What a flag or a variable says stands nowhere in the file.
    if (override) return { severity, file: '', line: 1, column: 1, message: `${override.origin}: ${message}` };
    return { severity, file: source.file, line: place.line, column: place.column, message };
  };
  if (yaml.syntaxErrors.length > 0) {
    return {
      kind: 'bad',
      problems: yaml.syntaxErrors.map(({ message, position }) => syntaxProblem(source, message, position)),
    };
  }
  const raw = structuredClone(yaml.value);
  for (const override of overrides) setIn(raw, override.path, override.value);
  // A configuration is read once or twice: compiling the schema to code would take longer than it saves.
  const parsed = configSchema.safeParse(raw, { jitless: true });
  const findings = parsed.success
    ? checkMeaning(parsed.data)
    : parsed.error.issues.flatMap((issue) => findingsOf(issue, raw));
  if (!parsed.success || findings.length > 0) {
    return { kind: 'bad', problems: findings.map((finding) => problemAt(finding)).toSorted(byPlace) };
  }
  const problems = warningsOf(parsed.data).map((finding) => problemAt(finding, 'warning'));
  const config = withAbsolutePaths(parsed.data, source.folder);
  return { kind: 'ok', config, entries: effectiveEntries(config, { yaml, source, overrides }), problems };
}

/** As `readConfig`, for callers that need a good one. Throws CONFIG_INVALID with every problem in `why`. */
export function requireConfig(result: ConfigResult): Config {
  if (result.kind === 'ok') return result.config;
  throw configInvalid(result.problems);
}

export function configInvalid(problems: readonly ConfigProblem[]): AppError {
  const count = problems.length === 1 ? '1 error' : `${problems.length} errors`;
  return new AppError('CONFIG_INVALID', `the configuration has ${count}`, {
    why: problems.map(formatProblem).join('\n'),
    hint: 'entrepot config check',
  });
}

function byPlace(left: ConfigProblem, right: ConfigProblem): number {
  return left.line - right.line || left.column - right.column;
}

function syntaxProblem(
  source: ConfigSource,
  message: string,
  position: { line: number; column: number },
): ConfigProblem {
  return { severity: 'error', file: source.file, ...position, message: `not YAML: ${message}` };
}

/** Paths in the file are relative to the file, wherever the program was started. */
function withAbsolutePaths(config: Config, folder: string): Config {
  const absolute = (path: string) => normalize(isAbsolute(path) ? path : join(folder, path)).replace(/(?<=.)\/$/, '');
  const files = <T extends object>(entry: T): T =>
    Object.fromEntries(
      Object.entries(entry).map(([key, value]) => [
        key,
        isFileKey(key) && typeof value === 'string' ? absolute(value) : value,
      ]),
    ) as T;
  const registries = Object.fromEntries(
    Object.entries(config.registries).map(([host, registry]) => {
      const { credentials } = registry;
      if (credentials === undefined) return [host, files(registry)];
      const located = Array.isArray(credentials) ? credentials.map(files) : files(credentials);
      return [host, { ...files(registry), credentials: located }];
    }),
  );
  return {
    ...config,
    storage: { ...config.storage, path: absolute(config.storage.path) },
    server: config.server.tls
      ? { ...config.server, tls: { cert: absolute(config.server.tls.cert), key: absolute(config.server.tls.key) } }
      : config.server,
    registries,
  };
}

function isFileKey(key: string): boolean {
  return key === 'ca' || key.endsWith('File');
}
