import type { GcReport, Running, ScrubReport, Status, UpstreamItem } from '#surface/server/api';
import type { Context } from '../context.ts';
import { ExitCode } from '../exit.ts';
import { type CommandRun, flagOption } from '../spec.ts';
import { formatBytes, plural } from '../table.ts';
import { breakerText, quotaText } from './upstream-run.ts';

export const gcPlan: CommandRun = (context, typed) =>
  gc(context, { apply: false, untagged: flagOption(typed, 'untagged') });
export const gcRun: CommandRun = (context, typed) =>
  gc(context, { apply: true, untagged: flagOption(typed, 'untagged') });

async function gc(context: Context, options: { readonly apply: boolean; readonly untagged: boolean }): Promise<number> {
  const config = await context.config();
  const report = await context.withSession(async (session) => (await session.operations()).gc(options));
  context.answer({ kind: 'GcReport', items: [report], text: () => gcText(report, config.storage.gcGrace) });
  return ExitCode.ok;
}

function gcText(report: GcReport, grace: string): string {
  if (report.manifests + report.blobs + report.files + report.bytes === 0) {
    return `Nothing to remove. What nothing refers to is kept for ${grace} first (storage.gcGrace).\n`;
  }
  const what = `${plural(report.manifests, 'manifest')} and ${plural(report.blobs, 'blob')}, ${formatBytes(report.bytes)}`;
  if (report.applied) return `Removed ${what}.\n`;
  return `gc would remove ${what}. Nothing was changed; entrepot gc run does it.\n`;
}

export const scrub: CommandRun = async (context) => {
  const report = await context.withProgress((running: Running) =>
    context.withSession(async (session) => (await session.operations()).scrub(running)),
  );
  context.answer({ kind: 'ScrubReport', items: [report], text: () => scrubText(report) });
  return report.damaged.length === 0 ? ExitCode.ok : ExitCode.failed;
};

function scrubText(report: ScrubReport): string {
  const { damaged, forgotten } = report;
  const read = `Read ${plural(report.blobs, 'blob')}, ${formatBytes(report.readBytes)}`;
  if (damaged.length + forgotten.length === 0) return `${read}: all as they should be.\n`;
  const pieces = [
    ...(damaged.length === 0
      ? []
      : [`${plural(damaged.length, 'damaged piece')}, set aside. Push or mirror them again.\n${damageLines(damaged)}`]),
    ...(forgotten.length === 0
      ? []
      : [
          `${plural(forgotten.length, 'damaged piece')} of caches, forgotten: fetched again when asked for.\n${damageLines(forgotten)}`,
        ]),
  ];
  return `${read}: ${pieces.join('')}`;
}

function damageLines(damages: ScrubReport['damaged']): string {
  return damages
    .map(
      ({ digest, reason, repositories, caches }) =>
        `  ${digest}  ${reason}  ${[...repositories, ...caches].join(' ')}\n`,
    )
    .join('');
}

export const status: CommandRun = async (context) => {
  const report = await context.withSession(async (session) => (await session.operations()).status());
  context.answer({ kind: 'Status', items: [report], text: () => statusText(report, context.io.clock.now()) });
  return ExitCode.ok;
};

function statusText(report: Status, nowMs: number): string {
  const { storage } = report;
  const lines = [
    `entrepot   ${report.version}`,
    `server     ${report.serving ? `serving at ${report.url} since ${report.startedAt}` : 'not running'}`,
    `storage    ${storage.path}`,
    `content    ${plural(storage.repositories, 'repository', 'repositories')}, ${plural(storage.tags, 'tag')}, ${plural(storage.manifests, 'manifest')}, ${plural(storage.blobs, 'blob')}, ${formatBytes(storage.blobBytes)}`,
    `namespaces ${report.namespaces.join(', ') || 'none: every name is hosted'}`,
    ...report.proxies.map(proxyLine),
    ...report.upstreams.map((upstream) => upstreamLine(upstream, nowMs)),
    `mirrors    ${report.mirrors.join(', ') || 'none'}`,
  ];
  return `${lines.join('\n')}\n`;
}

function proxyLine({ namespace, upstreams, bytes, maxBytes, hitRate, bytesSaved }: Status['proxies'][number]): string {
  const bound = maxBytes === undefined ? '' : ` of ${formatBytes(maxBytes)}`;
  const rate = hitRate === undefined ? 'nothing pulled yet' : `${Math.round(100 * hitRate)}% from here`;
  return `proxy      ${namespace} of ${upstreams.join(', ')}: ${formatBytes(bytes)}${bound} kept, ${rate}, ${formatBytes(bytesSaved)} saved`;
}

function upstreamLine(upstream: UpstreamItem, nowMs: number): string {
  const quotas = upstream.quotas.map((quota) => quotaText(quota, upstream, nowMs));
  return `upstream   ${[`${upstream.host}: ${breakerText(upstream, nowMs)}`, ...quotas].join('; ')}`;
}
