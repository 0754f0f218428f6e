import type { CommandRun } from '../spec.ts';
import { serveUntilStopped } from './serve-run.ts';

/** Ports tried above a taken one. */
const TRY_NEXT = 20;

export const start: CommandRun = async (context) => {
  const result = await context.readConfig();
  const config = await context.config();
  if (result.found) return await serveUntilStopped(context, config, {});
  return await serveUntilStopped(context, config, { tryNext: TRY_NEXT });
};
