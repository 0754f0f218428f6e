// Everything that a change must pass, in under a minute: `npm run check`, or `npm run check -- types lint` for some.
// What needs other programs than npm's packages is in `npm test` and `.ci/run`.
import path from 'node:path';

const root = path.dirname(import.meta.dir);
const packageBin = (name: string): string => path.join(root, 'node_modules', '.bin', name);

/** By name, in the order of speed: the first thing to fail is told soonest. */
const STEPS: Readonly<Record<string, readonly string[]>> = {
  // Format, lint and the order of imports, over everything.
  lint: [packageBin('biome'), 'check', '--error-on-warnings', '.'],
  tidy: [process.execPath, 'test', '--only-failures', './tools/tidy.test.ts'],
  // Files, exports and packages that nothing uses. Run by Bun, which is here anyway.
  unused: [process.execPath, packageBin('knip')],
  types: [packageBin('tsc'), '-p', '.'],
  unit: [process.execPath, path.join(root, 'tools', 'test.ts'), 'src/', 'tools/', 'bench/'],
};

const runStep = async (name: string, command: readonly string[]): Promise<boolean> => {
  const startedNs = Bun.nanoseconds();
  const child = Bun.spawn([...command], { cwd: root, stdin: 'ignore', stdout: 'inherit', stderr: 'inherit' });
  const passed = (await child.exited) === 0;
  const seconds = ((Bun.nanoseconds() - startedNs) / 1e9).toFixed(1);
  console.log(`${passed ? 'ok    ' : 'FAILED'}  ${name.padEnd(6)}  ${seconds} s`);
  return passed;
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in STEPS));
if (unknown.length > 0) {
  console.error(`error: no step ${unknown.join(', ')}. There are: ${Object.keys(STEPS).join(', ')}.`);
  process.exit(2);
}
let failed = 0;
for (const [name, command] of Object.entries(STEPS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  if (!(await runStep(name, command))) failed += 1;
}
process.exitCode = failed === 0 ? 0 : 1;
