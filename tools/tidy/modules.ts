import { isTestCode, placeOf } from './place.ts';
import type { Problem, Project, Rule } from './source.ts';

const KEBAB = /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|fake|fixture|d))?\.(ts|tsx|mjs)$/;
/** Names that say nothing: what is in such a file belongs to a noun. */
const VAGUE = /^(utils?|helpers?|common|misc|shared|index|types-?utils?)(\.test)?\.(ts|tsx|mjs)$/;

const names = (project: Project): Problem[] =>
  project.sources.flatMap(({ path }) => {
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (VAGUE.test(name)) return [{ path, message: `${name} says nothing: name the noun` }];
    return KEBAB.test(name) ? [] : [{ path, message: `${name} is not in kebab-case` }];
  });

/** The folder of every module of `src`; the whole of app is one, since nobody imports it. */
const moduleFolders = (project: Project): string[] => {
  const folders = project.sources.flatMap(({ path }) => {
    const place = placeOf(path);
    if (!place || place.module === '') return [];
    return [place.layer === 'app' ? 'src/app' : `src/${place.layer}/${place.module}`];
  });
  return [...new Set(folders)].sort();
};

/** The lines of the ```ts blocks of a README, trimmed, without imports (a test imports from where it stands). */
const exampleLines = (readme: string): string[] =>
  [...readme.matchAll(/```ts\n([\s\S]*?)```/g)]
    .flatMap(([, block = '']) => block.split('\n'))
    // Remarks at the end of a line are for the reader.
    .map((line) => line.replace(/\s\/\/ .*$/, '').trim())
    .filter((line) => line !== '' && !line.startsWith('import ') && !line.startsWith('//'));

/** A test may wrap a line, as in `expect(line)`, so its end is not compared. */
const exampleProblem = (project: Project, folder: string, readme: string): string | undefined => {
  const lines = exampleLines(readme);
  if (lines.length === 0) return 'has no ```ts example';
  const tests = [...project.texts].filter(([path]) => path.startsWith(`${folder}/`) && isTestCode(path));
  const tested = tests.map(([, text]) => text).join('\n');
  const missing = lines.find((line) => !tested.includes(line.replace(/[;,]$/, '')));
  return missing === undefined ? undefined : `has an example that no test of the module runs: \`${missing}\``;
};

const faces = (project: Project): Problem[] =>
  moduleFolders(project).flatMap((folder) => {
    const problems: Problem[] = [];
    const isApp = folder === 'src/app';
    if (!isApp && !project.texts.has(`${folder}/mod.ts`))
      problems.push({ path: folder, message: 'a module without mod.ts' });
    const readme = project.texts.get(`${folder}/README.md`);
    if (readme === undefined) return [...problems, { path: folder, message: 'a module without README.md' }];
    const message = isApp ? undefined : exampleProblem(project, folder, readme);
    return message === undefined ? problems : [...problems, { path: `${folder}/README.md`, message }];
  });

/** Each module has one face, says what it is, and its files are named by nouns. */
export const modules: Rule = { name: 'modules', check: (project) => [...names(project), ...faces(project)] };
