import type { WarmedImage, WarmReport } from '#surface/server/api';
import { openSession } from '../../commands/session.ts';
import { machineOf } from '../context.ts';
import { formatError } from '../error.ts';
import { ExitCode, isAuth } from '../exit.ts';
import { type CommandRun, listOption } from '../spec.ts';
import { formatBytes, formatDuration, plural } from '../table.ts';

export const warm: CommandRun = async (context, typed) => {
  const config = await context.config();
  const request = { images: typed.words, platforms: listOption(typed, 'platform') };
  const report = await context.withProgress(async (running) => {
    const session = await openSession(config, machineOf(context.io), running.signal);
    try {
      return await (await session.operations()).warm(request, running);
    } finally {
      await session.close();
    }
  });
  context.answer({ kind: 'WarmReport', items: [report], text: () => reportText(report) });
  for (const { error } of report.images) if (error) context.io.stderr.write(formatError(error, context.paint));
  return exitCode(report);
};

function reportText({ images, newBytes, durationMs }: WarmReport): string {
  const lines = images.map((image) => `${image.image}  ${outcomeText(image)}\n`);
  const done = images.filter(({ outcome }) => outcome !== 'failed').length;
  return `${lines.join('')}${done} of ${plural(images.length, 'image')} here (${formatBytes(newBytes)} fetched in ${formatDuration(durationMs)}).\n`;
}

function outcomeText({ outcome, digest = '', bytes, newBytes, error }: WarmedImage): string {
  if (outcome === 'here') return `was here: ${digest}, ${formatBytes(bytes)}`;
  if (outcome === 'fetched') return `fetched: ${digest}, ${formatBytes(newBytes)} of ${formatBytes(bytes)}`;
  return `${outcome}: ${error?.what ?? 'it was stopped'}`;
}

function exitCode({ images }: WarmReport): number {
  const failures = images.filter(({ outcome }) => outcome === 'failed');
  if (failures.length === 0) return ExitCode.ok;
  if (failures.length < images.length) return ExitCode.partly;
  return failures.every(({ error }) => isAuth(error?.code)) ? ExitCode.auth : ExitCode.failed;
}
