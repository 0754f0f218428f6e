import { fstatSync, statSync, writeSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { systemClock, systemCodeOf } from '#core/std';
import { bufferedSink } from '../line-sink.ts';
import { takeEnvironment } from './environment.ts';
import { oncePerPress } from './interrupt.ts';
import type { Files, Io, Screen } from './io.ts';

/** The machine as it is. */
export function processIo(): Io {
  return {
    stdout: screen(1, () => process.stdout),
    stderr: screen(2, () => process.stderr),
    env: takeEnvironment(process.env),
    cwd: process.cwd(),
    // In a checkout the launcher stands beside the sources; a built program is on the PATH.
    program: import.meta.path.endsWith('process-io.ts') ? './entrepot' : 'entrepot',
    clock: systemClock(),
    canAsk: isTerminal(2) && isTerminal(0),
    ask,
    onInterrupt,
    files,
    logSink: () => bufferedSink(1),
    exit: (code) => process.exit(code),
  };
}

function screen(descriptor: number, stream: () => NodeJS.WriteStream): Screen {
  return {
    write: (text) => writeWhole(descriptor, Buffer.from(text)),
    isTerminal: isTerminal(descriptor),
    columns: () => stream().columns || 80,
  };
}

/**
 * Asked of the system: making Node's streams for the question takes milliseconds at every start, and so does loading
 * its module of terminals. So it is loaded for what may be one alone.
 */
function isTerminal(descriptor: number): boolean {
  const facts = fstatSync(descriptor);
  if (!facts.isCharacterDevice() || facts.rdev === statSync('/dev/null').rdev) return false;
  return process.getBuiltinModule('node:tty').isatty(descriptor);
}

/** Written at once, so that nothing is lost when the process ends: pipes of Bun’s streams are written later. */
function writeWhole(descriptor: number, bytes: Uint8Array): void {
  let offset = 0;
  while (offset < bytes.byteLength) {
    try {
      offset += writeSync(descriptor, bytes, offset);
    } catch (thrown) {
      const code = systemCodeOf(thrown);
      // The reader went away (`| head`): nobody is there to be told.
      if (code === 'EPIPE') process.exit(0);
      if (code !== 'EAGAIN') throw thrown;
      Bun.sleepSync(1);
    }
  }
}

async function ask(question: string): Promise<string | undefined> {
  // Loaded late: few commands ask.
  const { createInterface } = await import('node:readline');
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  return await new Promise((resolve) => {
    lines.once('close', () => resolve(undefined));
    lines.question(question, (answer) => {
      resolve(answer);
      lines.close();
    });
  });
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function onInterrupt(handler: () => void): () => void {
  const pressed = oncePerPress(handler, () => performance.now());
  for (const signal of SIGNALS) process.on(signal, pressed);
  return () => {
    for (const signal of SIGNALS) process.off(signal, pressed);
  };
}

const files: Files = {
  readText: (path) => readFile(path, 'utf8'),
  writeText: (path, text, { replace }) => writeFile(path, text, { flag: replace ? 'w' : 'wx' }),
  exists: (path) =>
    stat(path).then(
      () => true,
      () => false,
    ),
};
