import type { Config } from '#surface/config';
import { accessLogTo, type Served, serve as startServe } from '../../commands/serve.ts';
import { createLog } from '../../log.ts';
import { startTracing } from '../../tracing.ts';
import { type Context, machineOf } from '../context.ts';
import { ExitCode } from '../exit.ts';
import type { CommandRun } from '../spec.ts';

export const serve: CommandRun = async (context) => {
  const config = await context.config();
  return await serveUntilStopped(context, config, {});
};

export type ServeRun = {
  readonly tryNext?: number;
  /** Called when requests are answered. The signal says that it should end, as the server will. */
  readonly onReady?: (served: Served, signal: AbortSignal) => Promise<void>;
};

/** Serves until Ctrl-C or SIGTERM; then transfers may end. A second signal cuts them. */
export async function serveUntilStopped(context: Context, config: Config, run: ServeRun): Promise<number> {
  const { io } = context;
  const format = config.log.format === 'auto' ? (io.stdout.isTerminal ? 'text' : 'json') : config.log.format;
  const sink = io.logSink();
  const log = createLog({ level: config.log.level, format, clock: io.clock, sink });
  const bare = { ...machineOf(io), log };
  const tracing = await startTracing(bare);
  const machine = tracing ? { ...bare, fetch: tracing.traced(bare.fetch) } : bare;
  const stopping = new AbortController();
  const interrupted = Promise.withResolvers<void>();
  const release = io.onInterrupt(() => {
    if (stopping.signal.aborted) io.exit(ExitCode.interrupted);
    stopping.abort();
    interrupted.resolve();
  });
  try {
    const accessLog = accessLogTo(sink, config.log, format);
    const served = await startServe(config, machine, { accessLog, ...(run.tryNext ? { tryNext: run.tryNext } : {}) });
    log.info('serving', { url: served.url, storage: config.storage.path, version: machine.version });
    try {
      await run.onReady?.(served, stopping.signal);
      await interrupted.promise;
    } finally {
      log.info('stopping: transfers may end');
      await served.stop();
      log.info('stopped');
    }
  } finally {
    release();
    await tracing?.stop();
    await sink.flush();
  }
  return ExitCode.ok;
}
