import type { NamespaceDetail, NamespaceItem } from '#surface/server/api';
import type { Context } from '../context.ts';
import { ExitCode } from '../exit.ts';
import type { CommandRun } from '../spec.ts';
import { formatBytes, formatTable, plural } from '../table.ts';
import { agoText } from '../time.ts';

export const list: CommandRun = async (context) => {
  const items = await context.withSession(async (session) => (await session.operations()).namespaces());
  context.answer({ kind: 'Namespace', items, text: () => namespaceTable(context, items) });
  if (items.length === 0 && context.format === 'text') {
    context.note('The configuration has no namespaces: every name is hosted here.');
  }
  return ExitCode.ok;
};

function namespaceTable({ io }: Context, items: readonly NamespaceItem[]): string {
  if (items.length === 0) return '';
  const rows = items.map((item) => [item.name, item.type, behindText(item), item.hosts.join(' ') || '-']);
  return formatTable(io.stdout, ['namespace', 'type', 'behind it', 'hosts'], rows);
}

function behindText({ upstreams, members, push }: NamespaceItem): string {
  const pushed = push === undefined ? '' : ` (pushes: ${push})`;
  return `${[...upstreams, ...members].join(', ') || '-'}${pushed}`;
}

export const show: CommandRun = async (context, typed) => {
  const [name = ''] = typed.words;
  const detail = await context.withSession(async (session) => (await session.operations()).namespace(name));
  context.answer({ kind: 'Namespace', items: [detail], text: () => detailText(context, detail) });
  return ExitCode.ok;
};

function detailText({ io }: Context, detail: NamespaceDetail): string {
  const lines = [
    `namespace    ${detail.name}`,
    `type         ${detail.type}`,
    ...(detail.upstreams.length === 0 ? [] : [`upstream     ${detail.upstreams.join(', ')}`]),
    ...(detail.members.length === 0 ? [] : [`members      ${detail.members.join(', ')}`]),
    ...(detail.push === undefined ? [] : [`pushes       ${detail.push}`]),
    ...(detail.hosts.length === 0 ? [] : [`hosts        ${detail.hosts.join(', ')}`]),
    ...usageLines(detail),
    ...trafficLines(detail, io.clock.now()),
    ...section('rules', Object.entries(detail.rules), ([key, value]) => `${key.padEnd(21)} ${ruleText(value)}`),
    ...section('repositories', detail.repositories, (repository) => repository),
  ];
  return `${lines.join('\n')}\n`;
}

function usageLines({ usage, maxBytes }: NamespaceDetail): string[] {
  if (!usage) return [];
  const bound = maxBytes === undefined ? '' : ` of ${formatBytes(maxBytes)} (${percent(usage.bytes / maxBytes)})`;
  const counts = [
    plural(usage.repositories, 'repository', 'repositories'),
    plural(usage.tags, 'tag'),
    plural(usage.manifests, 'manifest'),
    plural(usage.blobs, 'blob'),
  ];
  return [`kept         ${formatBytes(usage.bytes)}${bound}: ${counts.join(', ')}`];
}

function trafficLines({ traffic }: NamespaceDetail, nowMs: number): string[] {
  if (!traffic) return [];
  const verdicts = Object.entries(traffic.verdicts).map(([verdict, count]) => `${count} ${verdict}`);
  return [
    `hit rate     ${traffic.hitRate === undefined ? 'nothing was asked for yet' : percent(traffic.hitRate)}`,
    ...(verdicts.length === 0 ? [] : [`answers      ${verdicts.join(', ')}`]),
    `saved        ${formatBytes(traffic.bytesSaved)} of ${formatBytes(traffic.bytesServed)} answered`,
    `upstream     ${plural(traffic.upstreamPulls, 'pull')} and ${formatBytes(traffic.upstreamBytes)} taken there`,
    `counted      since ${agoText(traffic.since, nowMs)}`,
  ];
}

function percent(share: number): string {
  const value = 100 * share;
  return `${value > 0 && value < 10 ? value.toFixed(1) : Math.round(value)}%`;
}

function ruleText(value: unknown): string {
  if (Array.isArray(value)) return value.map((item) => (typeof item === 'string' ? item : flow(item))).join(', ');
  return String(value);
}

/** A map as YAML writes it on one line. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  return `{ ${Object.entries(value)
    .map(([key, inner]) => `${key}: ${flow(inner)}`)
    .join(', ')} }`;
}

function section<T>(title: string, items: readonly T[], line: (item: T) => string): string[] {
  return items.length === 0 ? [] : [title, ...items.map((item) => `  ${line(item)}`)];
}
