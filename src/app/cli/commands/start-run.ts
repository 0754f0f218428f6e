import { relative } from 'node:path';
import { AppError } from '#core/std';
import { type Config, tryParseListen } from '#surface/config';
import { createOperations } from '../../commands/operations.ts';
import { guideText } from '../../commands/quickstart/guide.ts';
import {
  quickstartConfig,
  SAMPLE_MIRROR,
  type SampleVendor,
  startSampleVendor,
} from '../../commands/quickstart/quickstart.ts';
import type { Served } from '../../commands/serve.ts';
import { type Context, machineOf } from '../context.ts';
import { formatError } from '../error.ts';
import { createDisplay, parseDisplayChoice } from '../progress/display.ts';
import { type CommandRun, flagOption, type Typed, textOption } from '../spec.ts';
import { serveUntilStopped } from './serve-run.ts';

/** Ports tried above a taken one: a developer's machine has a few registries, not dozens. */
const TRY_NEXT = 20;

export const start: CommandRun = async (context, typed) => {
  const { found } = await context.readConfig();
  const config = await context.config();
  return found ? await serveUntilStopped(context, config, {}) : await quickstart(context, typed, config);
};

async function quickstart(context: Context, typed: Typed, defaults: Config): Promise<number> {
  const vendor = await startSampleVendor(defaults.storage.path, machineOf(context.io));
  try {
    return await serveUntilStopped(context, quickstartConfig(defaults, vendor.url), {
      tryNext: TRY_NEXT,
      onReady: async (served, signal) => show(context, typed, { vendor, served, signal }),
    });
  } finally {
    await vendor.stop();
  }
}

type Tour = { readonly vendor: SampleVendor; readonly served: Served; readonly signal: AbortSignal };

/** Mirrors the sample with its progress shown, then says what happened and what to type next. */
async function show(context: Context, typed: Typed, { vendor, served, signal }: Tour): Promise<void> {
  const { io } = context;
  const choice = flagOption(typed, 'quiet') ? 'none' : parseDisplayChoice(textOption(typed, 'progress'));
  const display = createDisplay({ io, choice, color: typed.options.color !== false });
  const operations = createOperations(served.app, () => undefined);
  // Audited: somebody who tries things out may have deleted the image.
  const running = { onProgress: display.event, signal };
  const report = await operations
    .mirrorApply({ names: [SAMPLE_MIRROR], audit: true }, running)
    .finally(() => display.close());
  if (signal.aborted) return;
  for (const { error } of report.images) if (error) io.stderr.write(formatError(error, context.paint));
  if (report.failed > 0) {
    throw new AppError('QUICKSTART_FAILED', 'the sample image could not be mirrored', {
      why: 'the errors above say what stood in the way',
      hint: 'start again; to begin anew, set ENTREPOT_STORAGE_PATH to an empty folder',
    });
  }
  const { config } = served.app;
  // Port 0 asks for any.
  const wanted = tryParseListen(config.server.listen)?.port ?? 0;
  const isOther = wanted !== 0 && wanted !== served.port;
  io.stdout.write(
    guideText({
      version: served.app.machine.version,
      program: io.program,
      url: served.url,
      ...(isOther ? { takenPort: wanted } : {}),
      storage: shown(io.cwd, config.storage.path),
      vendorUrl: vendor.url,
      publicKey: shown(io.cwd, vendor.publicKeyPath),
      report,
      image: await operations.image('team/hello', '1.0.0'),
    }),
  );
}

function shown(cwd: string, path: string): string {
  const near = relative(cwd, path);
  return near.startsWith('..') ? path : `./${near}`;
}
