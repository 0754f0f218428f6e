import { formatDuration } from './table.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** How long ago a time of ISO 8601 was: `3 min ago`. */
export function agoText(time: string, nowMs: number): string {
  const agoMs = nowMs - Date.parse(time);
  return agoMs < 1000 ? 'just now' : `${roughly(agoMs)} ago`;
}

/** How long it is until a time of ISO 8601: `in 5 h`. */
export function untilText(time: string, nowMs: number): string {
  const leftMs = Date.parse(time) - nowMs;
  return leftMs <= 0 ? 'now' : `in ${roughly(leftMs)}`;
}

/** One unit, two where the first is small: enough to decide by. */
function roughly(durationMs: number): string {
  if (durationMs < MINUTE_MS)
    return formatDuration(Math.max(1000, Math.floor(durationMs / 1000) * 1000)).replace('.0 ', ' ');
  if (durationMs < HOUR_MS) return `${Math.floor(durationMs / MINUTE_MS)} min`;
  if (durationMs < DAY_MS) return withRest(durationMs, [HOUR_MS, 'h'], [MINUTE_MS, 'min']);
  return withRest(durationMs, [DAY_MS, 'd'], [HOUR_MS, 'h']);
}

type Unit = readonly [number, string];

function withRest(durationMs: number, [largeMs, large]: Unit, [smallMs, small]: Unit): string {
  const count = Math.floor(durationMs / largeMs);
  const rest = Math.floor((durationMs % largeMs) / smallMs);
  // Beyond ten of the large unit nobody counts the small one.
  return rest === 0 || count >= 10 ? `${count} ${large}` : `${count} ${large} ${rest} ${small}`;
}
