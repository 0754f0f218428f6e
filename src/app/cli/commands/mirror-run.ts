import { AppError } from '#core/std';
import { type MirrorConfig, nearest } from '#surface/config';
import type { MirrorReport } from '#surface/server/api';
import type { Context } from '../context.ts';
import { formatError } from '../error.ts';
import { ExitCode, isAuth } from '../exit.ts';
import { type CommandRun, flagOption } from '../spec.ts';
import { formatBytes, formatDuration, plural } from '../table.ts';

export const apply: CommandRun = async (context, typed) => {
  const { words } = typed;
  const config = await context.config();
  const known = Object.keys(config.mirrors);
  if (known.length === 0) throw noMirrors((await context.readConfig()).found);
  for (const name of words) requireMirror(name, known);
  const names = words.length > 0 ? words : known;
  const about = names.map((name) => `${aboutText(name, config.mirrors[name])}\n`).join('');
  if (!(await context.confirm(`${about}Apply ${names.join(', ')}?`))) {
    context.note('Nothing was copied.');
    return ExitCode.failed;
  }
  const report = await context.withProgress((running) =>
    context.withSession(async (session) =>
      (await session.operations()).mirrorApply({ names, audit: flagOption(typed, 'audit') }, running),
    ),
  );
  context.answer({ kind: 'MirrorReport', items: [report], text: () => reportText(report) });
  for (const { error } of report.images) if (error) context.io.stderr.write(formatError(error, context.paint));
  return exitCode(report, context);
};

/** What somebody says yes to. Which tags there are is found out by the run itself. */
function aboutText(name: string, mirror: MirrorConfig | undefined): string {
  if (!mirror) return name;
  const platforms = mirror.platforms ? `, only ${mirror.platforms.join(' ')}` : '';
  return `${name}: ${mirror.repositories.join(', ')} of ${mirror.source} to ${mirror.destinations.join(', ')}${platforms}`;
}

function noMirrors(found: boolean): AppError {
  return new AppError('CONFIG_INVALID', 'the configuration has no mirrors', {
    why: found ? 'nothing stands under "mirrors"' : 'there is no entrepot.yaml here, and --config names none',
    hint: found ? 'see examples/ and docs/guides/mirror.md for one' : 'entrepot init writes an example',
  });
}

function requireMirror(name: string, known: readonly string[]): void {
  if (known.includes(name)) return;
  const meant = nearest(name, known);
  throw new AppError('USAGE', `there is no mirror "${name}"`, {
    why: `the configuration has ${known.join(', ')}`,
    hint: meant === undefined ? 'entrepot config show' : `did you mean ${meant}?`,
  });
}

function reportText(report: MirrorReport): string {
  const counts = [
    `${report.copied} copied`,
    `${report.unchanged} unchanged`,
    ...(report.failed > 0 ? [`${report.failed} failed`] : []),
    ...(report.stopped > 0 ? [`${report.stopped} stopped`] : []),
  ].join(', ');
  const done = report.copied + report.failed === 0 ? 'Nothing to do' : 'Done';
  return `${report.stopped > 0 ? 'Stopped' : done}: ${counts} (${formatBytes(report.bytes)} in ${formatDuration(report.durationMs)}).\n`;
}

function exitCode(report: MirrorReport, context: Context): number {
  if (report.stopped > 0) {
    context.note(`Stopped with ${plural(report.stopped, 'image')} to do; run it again to go on.`);
    return ExitCode.interrupted;
  }
  if (report.failed === 0) return ExitCode.ok;
  if (report.copied + report.unchanged > 0) return ExitCode.partly;
  const failures = report.images.filter(({ outcome }) => outcome === 'failed');
  return failures.every(({ error }) => isAuth(error?.code)) ? ExitCode.auth : ExitCode.failed;
}
