/** Where a file of `src` stands: its layer, and the module in it. */
export type Place = { readonly layer: string; readonly module: string };

/** From the top down. Layers of one row stand side by side and do not see each other. */
export const ROWS: readonly (readonly string[])[] = [
  ['app'],
  ['surface'],
  ['engine', 'integrations'],
  ['registries'],
  ['rules'],
  ['core'],
];

/** Inside these layers some modules may import others: each lists what it may import. Elsewhere: none. */
const INSIDE: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  core: { std: [], oci: ['std'], sql: ['std'], registry: ['oci', 'std'] },
  // The files of `src/app` itself are the wiring, `compose`.
  app: { compose: [], commands: ['compose'], cli: ['commands', 'compose'] },
};

/** Each registry product is a module of its own. */
const DEEP = new Set(['integrations/platforms']);

/** The place of a path such as `src/core/oci/digest.ts`; undefined outside `src`. */
export const placeOf = (path: string): Place | undefined => {
  const [src, layer, first, ...rest] = path.split('/');
  if (src !== 'src' || layer === undefined || first === undefined) return undefined;
  if (layer === 'app') return { layer, module: first === 'commands' || first === 'cli' ? first : 'compose' };
  if (rest.length === 0) return { layer, module: '' };
  const deep = DEEP.has(`${layer}/${first}`) && rest.length > 1;
  return { layer, module: deep ? `${first}/${rest[0]}` : first };
};

/** Code that only tests run: it may use the test runner, and the product never imports it. */
export const isTestCode = (path: string): boolean =>
  /\.(test|fake|fixture)\.tsx?$/.test(path) ||
  !path.startsWith('src/') ||
  /\/(contract|testing|fixtures)\//.test(path) ||
  /\/(contract|testing)\.ts$/.test(path);

const rowOf = (layer: string): number => ROWS.findIndex((row) => row.includes(layer));

/** Why `from` may not import `to`; undefined when it may. */
export const forbidden = (from: Place, to: Place): string | undefined => {
  if (from.layer !== to.layer) {
    return rowOf(from.layer) < rowOf(to.layer)
      ? undefined
      : `${from.layer} may not import ${to.layer}: arrows go down only`;
  }
  if (from.module === to.module) return undefined;
  const allowed = INSIDE[from.layer]?.[from.module] ?? [];
  if (allowed.includes(to.module)) return undefined;
  return `${from.layer}/${from.module} may not import ${to.layer}/${to.module}: modules of one layer do not see each other`;
};
