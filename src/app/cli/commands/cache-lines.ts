import type { CacheEntry, QuotaItem, UpstreamItem } from '#surface/server/api';
import { formatBytes } from '../table.ts';
import { agoText, untilText } from '../time.ts';
import { breakerText, quotaText } from './upstream-run.ts';

/** What a cache knows of an image, as lines of `image show`: is it here, from where, how old, and what a pull would do. */
export function cacheLines(entry: CacheEntry, upstream: UpstreamItem | undefined, nowMs: number): string[] {
  return [
    `cached     ${cachedText(entry)}`,
    `upstream   ${entry.upstream} (namespace ${entry.namespace})`,
    ...(entry.checkedAt === undefined ? [] : [`checked    ${agoText(entry.checkedAt, nowMs)}`]),
    ...freshLine(entry, nowMs),
    `rule       ${ruleText(entry.rule)}`,
    `next pull  ${entry.next}: ${entry.why}`,
    ...hindranceLine(entry, upstream, nowMs),
  ];
}

function cachedText({ cached, blobs }: CacheEntry): string {
  if (!cached) return 'no';
  if (!blobs || blobs.here === blobs.all) return 'yes';
  return `in part: ${blobs.here} of ${blobs.all} blobs, ${formatBytes(blobs.bytesHere)} of ${formatBytes(blobs.bytes)}`;
}

/** `freshness[1] (latest)` names an entry of the list; without one, the durations of the namespace hold. */
function ruleText(rule: string): string {
  return rule === 'freshness' ? 'that of the namespace: no entry of freshness fits' : rule;
}

/** What stands in the way of a pull that has to ask. */
function hindranceLine({ next }: CacheEntry, upstream: UpstreamItem | undefined, nowMs: number): string[] {
  if (!upstream || (next !== 'fetch' && next !== 'revalidate')) return [];
  const instead = next === 'fetch' ? 'it fails' : 'the copy is served, as stale';
  const line = (why: string) => [`but now    ${instead}: ${upstream.host} is ${why}`];
  if (upstream.breaker.state === 'open') return line(breakerText(upstream, nowMs));
  const isSpent = ({ remaining, blockedUntil }: QuotaItem) =>
    (blockedUntil !== undefined && Date.parse(blockedUntil) > nowMs) ||
    (remaining !== undefined && remaining <= upstream.reservePulls);
  // Whether a tag has moved is asked by HEAD, which is no pull.
  if (next !== 'fetch' || upstream.quotas.length === 0 || !upstream.quotas.every(isSpent)) return [];
  return line(`down to its quota (${upstream.quotas.map((quota) => quotaText(quota, upstream, nowMs)).join('; ')})`);
}

function freshLine({ cached, next, freshUntil, servedStaleUntil }: CacheEntry, nowMs: number): string[] {
  if (freshUntil === undefined) return [];
  // What was dropped, or never was there, has no age.
  if (!cached)
    return next === 'negative'
      ? [`absent     so the upstream said; ${forText(freshUntil, nowMs)} it is not asked again`]
      : [];
  const isFresh = Date.parse(freshUntil) > nowMs;
  const fresh = isFresh ? forText(freshUntil, nowMs) : `no more, since ${agoText(freshUntil, nowMs)}`;
  const isServed = servedStaleUntil !== undefined && Date.parse(servedStaleUntil) > nowMs;
  const stale = isServed ? `; without the upstream served ${forText(servedStaleUntil, nowMs)}` : '';
  return [`fresh      ${fresh}${stale}`];
}

function forText(time: string, nowMs: number): string {
  return untilText(time, nowMs).replace(/^in /, 'for ');
}
