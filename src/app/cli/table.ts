import type { Screen } from './io.ts';

/** Columns lined up on a terminal; tab-separated and without a head elsewhere, for `cut` and `awk`. */
export function formatTable(screen: Screen, head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (!screen.isTerminal) return rows.map((row) => `${row.join('\t')}\n`).join('');
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `${cells.map((cell, at) => (at === cells.length - 1 ? cell : cell.padEnd(widths[at] ?? 0))).join('  ')}\n`;
  return [line(head.map((title) => title.toUpperCase())), ...rows.map(line)].join('');
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Bytes as docker prints them: powers of 1000, three digits. */
export function formatBytes(sizeBytes: number): string {
  let value = sizeBytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

export function formatDuration(durationMs: number): string {
  if (durationMs < 1000) return `${Math.round(durationMs)} ms`;
  if (durationMs < 60_000) return `${(durationMs / 1000).toFixed(1)} s`;
  const minutes = Math.floor(durationMs / 60_000);
  return `${minutes} min ${Math.round((durationMs % 60_000) / 1000)} s`;
}

export function plural(count: number, word: string, many = `${word}s`): string {
  return `${formatCount(count)} ${count === 1 ? word : many}`;
}

/** `12,345`. Not by `toLocaleString`: that takes milliseconds the first time, while a mirror's source waits. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ',');
}

/** Enough of a digest to tell it from others by eye. */
export function shortDigest(digest: string): string {
  return digest.slice(0, 19);
}

/** What a copy of an image took. */
export function formatCopied(sizeBytes: number, durationMs: number): string {
  const what = sizeBytes === 0 ? 'its content was there' : formatBytes(sizeBytes);
  return `${what}, ${formatDuration(durationMs)}`;
}
