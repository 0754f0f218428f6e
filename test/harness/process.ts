import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';

export type RunOptions = {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** After this the program is killed and the run fails. */
  readonly timeoutMs?: number;
  /** Exit codes that are an answer, not a failure. Default: 0. */
  readonly okCodes?: readonly number[];
};
export type Finished = { readonly code: number; readonly stdout: string; readonly stderr: string };

// Nothing here takes a minute on one core; a hang must end the test with the output so far.
const runTimeoutMs = 120_000;

/** Runs a program to its end. Throws what it wrote when it fails. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const child = Bun.spawn([...command], {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
    stdin: options.stdin === undefined ? 'ignore' : new Blob([options.stdin]),
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: options.timeoutMs ?? runTimeoutMs,
    killSignal: 'SIGKILL',
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if ((options.okCodes ?? [0]).includes(code)) return { code, stdout, stderr };
  const what = child.signalCode ? `was ended by ${child.signalCode}` : `answered ${code}`;
  throw new Error(`${command.join(' ')}\n${what}\n${stdout.slice(-4000)}\n${stderr.slice(-4000)}`);
}

export type Daemon = {
  readonly pid: number;
  readonly exited: Promise<number>;
  readonly log: () => string;
  /** SIGTERM, then SIGKILL when it does not end in time. */
  readonly stop: () => Promise<number>;
  /** SIGKILL at once, children too: what a crash looks like. */
  readonly kill: () => Promise<void>;
  /** Peak resident memory of the process and its children so far, in bytes. */
  readonly peakBytes: () => number;
};
export type DaemonOptions = {
  readonly logFile: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly ready: () => Promise<boolean>;
};

// Long enough for a cold start on a busy machine.
const readyTimeoutMs = 30_000;
const readyPollMs = 10;
// A graceful end may finish transfers; tests have none that long.
const stopTimeoutMs = 15_000;

const running = new Set<Daemon>();
process.on('exit', () => {
  for (const daemon of running) killTree(daemon.pid);
});

/** Starts a server with its output in a file, and waits until `ready`. */
export async function startDaemon(command: readonly string[], options: DaemonOptions): Promise<Daemon> {
  const log = openSync(options.logFile, 'a');
  const child = Bun.spawn([...command], {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
    stdin: 'ignore',
    stdout: log,
    stderr: log,
  });
  closeSync(log);
  const daemon: Daemon = {
    pid: child.pid,
    exited: child.exited,
    log: () => readFileSync(options.logFile, 'utf8'),
    stop: async () => {
      child.kill('SIGTERM');
      const late = setTimeout(() => killTree(child.pid), stopTimeoutMs);
      const code = await child.exited;
      clearTimeout(late);
      return code;
    },
    kill: async () => {
      killTree(child.pid);
      await child.exited;
    },
    peakBytes: () => processTree(child.pid).reduce((sum, pid) => sum + peakOf(pid), 0),
  };
  running.add(daemon);
  child.exited.then(() => running.delete(daemon));
  await untilReady(daemon, options, command);
  return daemon;
}

async function untilReady(daemon: Daemon, options: DaemonOptions, command: readonly string[]): Promise<void> {
  const ended = daemon.exited.then((code) => code);
  const deadline = Date.now() + readyTimeoutMs;
  while (Date.now() < deadline) {
    if (await options.ready().catch(() => false)) return;
    const code = await Promise.race([ended, Bun.sleep(readyPollMs)]);
    if (code !== undefined) throw new Error(`${command.join(' ')} ended with ${code}\n${daemon.log().slice(-4000)}`);
  }
  await daemon.kill();
  throw new Error(`${command.join(' ')} was not ready in time\n${daemon.log().slice(-4000)}`);
}

/** The process and everything that it started, itself first. Linux only: reads /proc. */
export function processTree(root: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = statusField(Number(name), 'PPid');
    if (parent === undefined) continue;
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const tree = [root];
  for (const pid of tree) tree.push(...(children.get(pid) ?? []));
  return tree;
}

/** VmHWM: the most memory that was resident at one time, in bytes; 0 when the process is gone. */
export function peakOf(pid: number): number {
  return (statusField(pid, 'VmHWM') ?? 0) * 1024;
}

function statusField(pid: number, field: string): number | undefined {
  try {
    const found = new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return found ? Number(found[1]) : undefined;
  } catch {
    // The process ended between the listing and the read.
    return undefined;
  }
}

function killTree(root: number): void {
  for (const pid of processTree(root)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended by itself meanwhile.
    }
  }
}
