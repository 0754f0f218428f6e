import type { Config } from '#surface/config';
import type { AccessEvent, AccessSink } from '#surface/server';
import { accessLine } from '#surface/server';
import { type App, compose } from '../compose.ts';
import { type Serving, startServing } from '../lifecycle.ts';
import type { LineSink } from '../line-sink.ts';
import type { Machine } from '../machine.ts';
import { createOperations } from './operations.ts';
import { warmAtStart } from './warm-start.ts';

export type ServeOptions = {
  readonly accessLog: AccessSink;
  readonly tryNext?: number;
};

export type Served = Serving & { readonly app: App };

/** Takes the data folder and serves it. Throws as `compose` and `startServing`; then nothing is left open. */
export async function serve(config: Config, machine: Machine, options: ServeOptions): Promise<Served> {
  // The built program compiles to machine code late, as suits short commands.
  Bun.unsafe.setJITPolicy(1);
  const app = await compose(config, machine, { writer: 'thread' });
  const startedAtMs = machine.clock.now();
  const warming = new AbortController();
  let serving: Serving | undefined;
  const operations = createOperations(app, () => (serving ? { url: serving.url, startedAtMs } : undefined));
  try {
    serving = await startServing(app, { operations, ...options });
  } catch (thrown) {
    await app.close();
    throw thrown;
  }
  const { stop } = serving;
  void warmAtStart(app, warming.signal);
  return {
    ...serving,
    app,
    stop: (stopOptions) => {
      warming.abort();
      return stop(stopOptions);
    },
  };
}

/** Lines of requests beside the other lines of the log, in the same form. */
export function accessLogTo(sink: LineSink, { level, requests }: Config['log'], format: 'json' | 'text'): AccessSink {
  if (!requests || level === 'warn' || level === 'error') return () => {};
  return format === 'json' ? (event) => sink.write(accessLine(event)) : (event) => sink.write(accessText(event));
}

function accessText(event: AccessEvent): string {
  const time = new Date(event.timeMs).toISOString().slice(11, 19);
  const facts = [event.code, event.cut ? 'cut' : undefined, event.verdict].filter((fact) => fact !== undefined);
  const bytes = event.bytesIn + event.bytesOut;
  return `${[time, event.method, event.path, event.status, `${event.durationMs.toFixed(1)} ms`, `${bytes} B`, ...facts].join(' ')}\n`;
}
