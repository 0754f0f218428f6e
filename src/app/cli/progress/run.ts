import type { Running } from '#surface/server/api';
import type { Io } from '../io.ts';
import { createDisplay, parseDisplayChoice } from './display.ts';

export type ProgressOptions = { readonly io: Io; readonly choice: string | undefined; readonly color: boolean };

/**
 * Runs a job with its progress shown. The first Ctrl-C asks it to stop: what is on its way is given up in an
 * orderly way and the next run goes on from there. A second one ends the process.
 */
export async function runWithProgress<T>(options: ProgressOptions, job: (running: Running) => Promise<T>): Promise<T> {
  const { io, color } = options;
  const display = createDisplay({ io, choice: parseDisplayChoice(options.choice), color });
  const abort = new AbortController();
  const release = io.onInterrupt(() => {
    if (abort.signal.aborted) io.exit(130);
    display.event({ kind: 'warning', message: 'stopping (Ctrl-C again ends it at once)' });
    abort.abort();
  });
  try {
    return await job({ onProgress: display.event, signal: abort.signal });
  } finally {
    release();
    display.close();
  }
}
