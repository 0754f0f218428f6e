import type { Config } from '#surface/config';
import { accessLogTo, type Served, serve as startServe } from '../../commands/serve.ts';
import { createLog } from '../../log.ts';
import type { Machine } from '../../machine.ts';
import { type Context, machineOf } from '../context.ts';
import { ExitCode } from '../exit.ts';
import type { CommandRun } from '../spec.ts';

export const serve: CommandRun = async (context) => {
  const config = await context.config();
  return await serveUntilStopped(context, config, {});
};

export type ServeRun = {
  readonly tryNext?: number;
  /** Called when requests are answered; what it shows stands before the log. */
  readonly onReady?: (served: Served, machine: Machine) => Promise<void>;
};

/** Serves until Ctrl-C or SIGTERM; then transfers may end. A second signal cuts them. */
export async function serveUntilStopped(context: Context, config: Config, run: ServeRun): Promise<number> {
  const { io } = context;
  const format = config.log.format === 'auto' ? (io.stdout.isTerminal ? 'text' : 'json') : config.log.format;
  const sink = io.logSink();
  const log = createLog({ level: config.log.level, format, clock: io.clock, sink });
  const machine = { ...machineOf(io), log };
  const interrupted = Promise.withResolvers<void>();
  let signals = 0;
  const release = io.onInterrupt(() => {
    signals += 1;
    if (signals === 1) interrupted.resolve();
    else io.exit(ExitCode.interrupted);
  });
  try {
    const accessLog = accessLogTo(sink, config.log, format);
    const served = await startServe(config, machine, { accessLog, ...(run.tryNext ? { tryNext: run.tryNext } : {}) });
    log.info('serving', { url: served.url, storage: config.storage.path, version: machine.version });
    await run.onReady?.(served, machine);
    await interrupted.promise;
    log.info('stopping: transfers may end');
    await served.stop();
    log.info('stopped');
  } finally {
    release();
    await sink.flush();
  }
  return ExitCode.ok;
}
