import { type Clock, manualClock } from '#core/std';
import type { Io } from './io.ts';

export type TestIoOptions = {
  readonly clock?: Clock;
  readonly isTerminal?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Answers to questions, in order; without any nobody can be asked. */
  readonly answers?: readonly string[];
  readonly files?: Io['files'];
};

/** A machine for tests: what was written can be read, and Ctrl-C is a call. */
export function testIo(options: TestIoOptions = {}) {
  const written = { stdout: '', stderr: '' };
  const answers = [...(options.answers ?? [])];
  const handlers = new Set<() => void>();
  const screen = (name: 'stdout' | 'stderr') => ({
    write: (text: string) => {
      written[name] += text;
    },
    isTerminal: options.isTerminal ?? false,
    columns: () => 100,
  });
  const io: Io = {
    stdout: screen('stdout'),
    stderr: screen('stderr'),
    env: options.env ?? {},
    cwd: options.cwd ?? '/nowhere',
    program: 'entrepot',
    clock: options.clock ?? manualClock(),
    canAsk: answers.length > 0,
    ask: async (question) => {
      written.stderr += question;
      return answers.shift();
    },
    onInterrupt: (handler) => {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
    files: options.files ?? filesIn(new Map()),
    logSink: () => ({ write: screen('stdout').write, flush: async () => {} }),
    exit: (code) => {
      throw new Error(`the process would end with ${code}`);
    },
  };
  return {
    io,
    stdout: () => written.stdout,
    stderr: () => written.stderr,
    interrupt: () => {
      for (const handler of handlers) handler();
    },
    /** Whether a command waits for Ctrl-C: then it has started what it serves. */
    isInterruptible: () => handlers.size > 0,
  };
}

/** Files that are held in a map. */
function filesIn(files: Map<string, string>): Io['files'] {
  return {
    readText: async (path) => {
      const text = files.get(path);
      if (text === undefined) throw Object.assign(new Error(`no such file: ${path}`), { code: 'ENOENT' });
      return text;
    },
    writeText: async (path, text, { replace }) => {
      if (!replace && files.has(path)) throw Object.assign(new Error(`file exists: ${path}`), { code: 'EEXIST' });
      files.set(path, text);
    },
    exists: async (path) => files.has(path),
  };
}
