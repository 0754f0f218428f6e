import type { CacheEntry } from '#surface/server/api';
import { formatBytes } from '../table.ts';
import { agoText, untilText } from '../time.ts';

/** What a cache knows of an image, as lines of `image show`: is it here, from where, how old, and what a pull would do. */
export function cacheLines(entry: CacheEntry, nowMs: number): string[] {
  return [
    `cached     ${cachedText(entry)}`,
    `upstream   ${entry.upstream} (namespace ${entry.namespace})`,
    ...(entry.checkedAt === undefined ? [] : [`checked    ${agoText(entry.checkedAt, nowMs)}`]),
    ...freshLine(entry, nowMs),
    `rule       ${entry.rule}`,
    `next pull  ${entry.next}: ${entry.why}`,
  ];
}

function cachedText({ cached, blobs }: CacheEntry): string {
  if (!cached) return 'no';
  if (!blobs || blobs.here === blobs.all) return 'yes';
  return `in part: ${blobs.here} of ${blobs.all} blobs, ${formatBytes(blobs.bytesHere)} of ${formatBytes(blobs.bytes)}`;
}

function freshLine({ freshUntil, servedStaleUntil }: CacheEntry, nowMs: number): string[] {
  if (freshUntil === undefined) return [];
  const isFresh = Date.parse(freshUntil) > nowMs;
  const fresh = isFresh ? forText(freshUntil, nowMs) : `no more, since ${agoText(freshUntil, nowMs)}`;
  const isServed = servedStaleUntil !== undefined && Date.parse(servedStaleUntil) > nowMs;
  const stale = isServed ? `; without the upstream served ${forText(servedStaleUntil, nowMs)}` : '';
  return [`fresh      ${fresh}${stale}`];
}

function forText(time: string, nowMs: number): string {
  return untilText(time, nowMs).replace(/^in /, 'for ');
}
