import type { QuotaItem, UpstreamItem } from '#surface/server/api';
import type { Context } from '../context.ts';
import { ExitCode } from '../exit.ts';
import type { CommandRun } from '../spec.ts';
import { formatBytes, formatTable } from '../table.ts';
import { agoText, untilText } from '../time.ts';

export const list: CommandRun = async (context) => {
  const items = await context.withSession(async (session) => (await session.operations()).upstreams());
  context.answer({ kind: 'Upstream', items, text: () => upstreamTable(context, items) });
  if (items.length === 0 && context.format === 'text') {
    context.note('No namespace reads a registry elsewhere. docs/guides/proxy.md shows how to add one.');
  }
  return ExitCode.ok;
};

const HEAD = ['upstream', 'namespaces', 'state', 'requests', 'bytes', 'active', 'waiting', 'quota'];

function upstreamTable({ io }: Context, items: readonly UpstreamItem[]): string {
  if (items.length === 0) return '';
  const nowMs = io.clock.now();
  const rows = items.flatMap((item) => {
    const facts = [
      item.host,
      item.namespaces.join(', '),
      breakerText(item, nowMs),
      item.requests.toString(),
      formatBytes(item.bytes),
      item.active.toString(),
      item.waiting.toString(),
    ];
    const quotas = item.quotas.length === 0 ? ['not known'] : item.quotas.map((quota) => quotaText(quota, item, nowMs));
    return quotas.map((quota) => [...facts, quota]);
  });
  return formatTable(io.stdout, HEAD, rows);
}

/** `ok` only of one that was asked: before, nobody knows. */
export function breakerText({ breaker, requests }: UpstreamItem, nowMs: number): string {
  if (breaker.state === 'closed') {
    if (breaker.failures > 0) return `failed ${breaker.failures === 1 ? 'once' : `${breaker.failures} times in a row`}`;
    return requests === 0 ? 'not asked yet' : 'ok';
  }
  const probe = breaker.probeAt === undefined ? '' : `, next try ${untilText(breaker.probeAt, nowMs)}`;
  return `down after ${breaker.failures} failures${probe}`;
}

/** `corp: 80 of 100 left, all back in 5 h, 20 kept back`. */
export function quotaText(quota: QuotaItem, { reservePulls }: UpstreamItem, nowMs: number): string {
  const left =
    quota.remaining === undefined
      ? 'not told'
      : `${quota.remaining}${quota.limit === undefined ? '' : ` of ${quota.limit}`} left`;
  const parts = [
    left,
    quota.resetAt === undefined ? undefined : `all back ${untilText(quota.resetAt, nowMs)}`,
    quota.blockedUntil !== undefined && Date.parse(quota.blockedUntil) > nowMs
      ? `not asked for ${untilText(quota.blockedUntil, nowMs).replace(/^in /, '')}`
      : undefined,
    reservePulls > 0 ? `${reservePulls} kept back` : undefined,
    quota.seenAt === undefined ? undefined : `seen ${agoText(quota.seenAt, nowMs)}`,
  ];
  return `${quota.account}: ${parts.filter((part) => part !== undefined).join(', ')}`;
}
