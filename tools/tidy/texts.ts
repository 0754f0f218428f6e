import type { Rule } from './source.ts';

/** Written in halves, so that this file does not hold what it looks for. */
const FORBIDDEN: readonly { readonly what: string; readonly pattern: RegExp }[] = [
  {
    what: 'a path of one machine',
    pattern: new RegExp(['(^|[^\\w.-])/(work', 'root)/'].join('|')),
  },
  { what: 'a folder of one machine', pattern: new RegExp(['/tmp/(peers', 'boot)\\b'].join('|')) },
  {
    what: 'the host of a package registry (npm knows its own)',
    pattern: new RegExp(
      ['registry\\.npm', 'js\\.org|registry\\.yarn', 'pkg\\.com|npm\\.pkg\\.git', 'hub\\.com'].join(''),
    ),
  },
  { what: 'a merge that was not finished', pattern: /^(<{7}|>{7}) / },
];

/** The repository speaks of the project alone. */
export const texts: Rule = {
  name: 'texts',
  check: (project) =>
    [...project.texts].flatMap(([path, text]) =>
      text.split('\n').flatMap((line, index) => {
        const found = FORBIDDEN.find((one) => one.pattern.test(line));
        return found ? [{ path, line: index + 1, message: `holds ${found.what}: ${line.trim().slice(0, 80)}` }] : [];
      }),
    ),
};
