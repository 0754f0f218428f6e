import { posix } from 'node:path';
import { forbidden, isTestCode, placeOf, ROWS } from './place.ts';
import type { Import, Problem, Project, Rule, Source } from './source.ts';

/** The file that an import names, relative to the root; undefined for packages. */
const targetOf = (from: string, name: string): string | undefined => {
  if (name.startsWith('#')) return `src/${name.slice(1)}/mod.ts`;
  return name.startsWith('.') ? posix.join(posix.dirname(from), name) : undefined;
};

const problemOf = (project: Project, source: Source, one: Import): string | undefined => {
  const target = targetOf(source.path, one.from);
  if (target === undefined) return undefined;
  if (!project.texts.has(target)) return `${one.from} is no file: a module is imported by its name, \`#layer/module\``;
  const from = placeOf(source.path);
  const to = placeOf(target);
  if (!from) return undefined;
  if (!to) return target.endsWith('.json') ? undefined : `${one.from} is outside src`;
  if (!isTestCode(source.path) && isTestCode(target)) return `${one.from} is test code: the product does not import it`;
  const inside = from.layer === to.layer && (from.module === to.module || from.layer === 'app');
  if (one.from.startsWith('.') && !inside)
    return `${one.from} reaches into another module: import its mod.ts as \`#layer/module\``;
  return forbidden(from, to);
};

const unknownLayers = (project: Project): Problem[] =>
  project.sources.flatMap((source) => {
    const place = placeOf(source.path);
    if (!place) return [];
    if (!ROWS.flat().includes(place.layer)) return [{ path: source.path, message: `${place.layer} is no layer` }];
    return place.module === '' ? [{ path: source.path, message: 'a file of src stands in a module' }] : [];
  });

/** Arrows go down only, modules of one layer do not see each other, and only mod.ts is seen from outside. */
export const arrows: Rule = {
  name: 'arrows',
  check: (project) => [
    ...unknownLayers(project),
    ...project.sources.flatMap((source) =>
      source.imports.flatMap((one) => {
        const message = problemOf(project, source, one);
        return message === undefined ? [] : [{ path: source.path, line: one.line, message }];
      }),
    ),
  ],
};
