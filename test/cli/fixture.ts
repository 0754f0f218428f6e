import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main } from '../../src/app/cli/main.ts';
import { type TestIoOptions, testIo } from '../../src/app/cli/testing.ts';
import { systemClock } from '../../src/core/std/mod.ts';

/** A folder in which commands are run, as a person would in a shell. */
export function shellIn(folder: string) {
  return {
    /** Runs a command to its end. */
    async run(argv: string, options: TestIoOptions = {}) {
      const { io, stdout, stderr } = machineIn(folder, options);
      const code = await main(wordsOf(argv), io);
      return { code, stdout: stdout(), stderr: stderr() };
    },
    /** Starts a command that runs until Ctrl-C. `ready` is a text of its output. */
    async start(argv: string, ready: string, options: TestIoOptions = {}) {
      const machine = machineIn(folder, options);
      const ended = main(wordsOf(argv), machine.io);
      let code: number | undefined;
      void ended.then((value) => {
        code = value;
      });
      while (code === undefined && !machine.stdout().includes(ready)) await Bun.sleep(5);
      if (code !== undefined) throw new Error(`${argv} ended with ${code}: ${machine.stderr()}`);
      return {
        stdout: machine.stdout,
        stderr: machine.stderr,
        stop: () => {
          machine.interrupt();
          return ended;
        },
        ended,
      };
    },
  };
}

function machineIn(folder: string, options: TestIoOptions) {
  return testIo({ cwd: folder, clock: systemClock(), files: diskFiles, ...options });
}

const diskFiles = {
  readText: (path: string) => readFile(path, 'utf8'),
  writeText: (path: string, text: string, { replace }: { replace: boolean }) =>
    writeFile(path, text, { flag: replace ? 'w' : 'wx' }),
  exists: (path: string) =>
    stat(path).then(
      () => true,
      () => false,
    ),
};

/** Words between spaces; none of the tests needs quotes. */
function wordsOf(argv: string): string[] {
  return argv.split(' ').filter((word) => word !== '');
}

/** A new folder, and how to be rid of it. */
export function temporaryFolder() {
  const path = mkdtempSync(join(tmpdir(), 'entrepot-cli-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
