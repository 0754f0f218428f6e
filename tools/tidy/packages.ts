import { isTestCode } from './place.ts';
import type { Rule } from './source.ts';

/** The one place (or few) where each package is used, so that it can be replaced by changing one module. */
const HOME: Readonly<Record<string, readonly string[]>> = {
  '@hono/zod-openapi': ['src/surface/server/api/'],
  '@opentelemetry/api': ['src/app/'],
  '@opentelemetry/exporter-trace-otlp-http': ['src/app/'],
  '@opentelemetry/resources': ['src/app/'],
  '@opentelemetry/sdk-trace': ['src/app/'],
  'bun:sqlite': ['src/core/sql/'],
  commander: ['src/app/cli/'],
  hono: ['src/surface/server/api/'],
  pino: ['src/app/'],
  'prom-client': ['src/surface/server/'],
  re2js: ['src/core/std/'],
  semver: ['src/core/std/'],
  'tar-stream': ['src/registries/layout/'],
  yaml: ['src/surface/config/'],
  zod: ['src/surface/config/', 'src/surface/server/api/'],
};
/** Only tests use these. */
const FOR_TESTS = new Set(['bun:test', 'fast-check']);
/** core/oci is pure data: of the platform it knows hashing alone. */
const PURE = { folder: 'src/core/oci/', allowed: new Set(['node:crypto']) };

const packageOf = (name: string): string => {
  if (/^(node|bun):/.test(name)) return name;
  return name.split('/', name.startsWith('@') ? 2 : 1).join('/');
};

const problemOf = (path: string, name: string): string | undefined => {
  const used = packageOf(name);
  if (path.startsWith(PURE.folder) && !isTestCode(path) && !PURE.allowed.has(used)) {
    return `${used} in core/oci, which is pure data`;
  }
  if (FOR_TESTS.has(used)) return isTestCode(path) ? undefined : `${used} is for tests`;
  const homes = HOME[used];
  if (homes)
    return homes.some((home) => path.startsWith(home)) ? undefined : `${used} is used only in ${homes.join(', ')}`;
  return used === 'bun' || used.startsWith('node:')
    ? undefined
    : `${used} has no module yet: add it to tools/tidy/packages.ts`;
};

/** A third-party package is imported only in its module. */
export const packages: Rule = {
  name: 'packages',
  check: (project) =>
    project.sources
      .filter((source) => source.path.startsWith('src/'))
      .flatMap((source) =>
        source.imports
          .filter((one) => !/^[.#]/.test(one.from))
          .flatMap((one) => {
            const message = problemOf(source.path, one.from);
            return message === undefined ? [] : [{ path: source.path, line: one.line, message }];
          }),
      ),
};
