import type { ProgressEvent } from '#surface/server/api';
import type { Paint } from '../paint.ts';
import { formatBytes, formatCopied, formatDuration } from '../table.ts';
import type { Display, DisplayMachine } from './display.ts';
import { type Active, addEvent, newTally, percentOf, type Tally } from './tally.ts';

/** Faster is not seen, only flicker. */
const DRAW_EVERY_MS = 100;
/** More moving rows than this cannot be read. */
const MOST_ROWS = 8;
const BAR_WIDTH = 20;
const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/** Finished images scroll away as lines; those on their way are redrawn in place below. */
export function terminalDisplay({ io, paint }: DisplayMachine): Display {
  const tally = newTally();
  const startedAtMs = io.clock.now();
  let rows = 0;
  let frame = 0;
  const erase = () => {
    if (rows > 0) io.stderr.write(`\u001b[${rows}A\u001b[0J`);
    rows = 0;
  };
  const draw = () => {
    frame += 1;
    const lines = liveLines(tally, { paint, frame, elapsedMs: io.clock.now() - startedAtMs });
    const width = Math.max(20, io.stderr.columns() - 1);
    erase();
    io.stderr.write(lines.map((line) => `${cut(line, width)}\n`).join(''));
    rows = lines.length;
  };
  const timer = setInterval(draw, DRAW_EVERY_MS);
  return {
    event(event) {
      addEvent(tally, event, io.clock.now());
      const line = finishedLine(event, paint);
      if (line === undefined) return;
      erase();
      io.stderr.write(`${line}\n`);
      draw();
    },
    close() {
      clearInterval(timer);
      erase();
    },
  };
}

type Look = { readonly paint: Paint; readonly frame: number; readonly elapsedMs: number };

function liveLines(tally: Tally, look: Look): string[] {
  if (tally.active.size === 0 && tally.planned === undefined) {
    return tally.title === '' ? [] : [`${spinner(look.frame)} ${tally.title}`];
  }
  const moving = [...tally.active].slice(0, MOST_ROWS).map(([image, active]) => row(image, active, look));
  return [summary(tally, look.elapsedMs), ...moving];
}

function summary(tally: Tally, elapsedMs: number): string {
  const rate = elapsedMs < 500 ? 0 : (tally.doneBytes * 1000) / elapsedMs;
  const left = rate === 0 ? undefined : ((tally.totalBytes - tally.doneBytes) * 1000) / rate;
  return [
    `${tally.done}/${tally.planned ?? '?'} images`,
    `${formatBytes(tally.doneBytes)} of ${formatBytes(tally.totalBytes)}`,
    ...(rate === 0 ? [] : [`${formatBytes(rate)}/s`]),
    ...(left === undefined || left < 1000 ? [] : [`about ${formatDuration(left)} left`]),
    ...(tally.failed === 0 ? [] : [`${tally.failed} failed`]),
  ].join(' · ');
}

function row(image: string, active: Active, { paint, frame }: Look): string {
  const percent = percentOf(active);
  const full = Math.round((percent * BAR_WIDTH) / 100);
  const bar = `▕${'█'.repeat(full)}${' '.repeat(BAR_WIDTH - full)}▏`;
  const bytes = `${formatBytes(active.doneBytes)}/${formatBytes(active.totalBytes)}`;
  const name = shortName(image).padEnd(NAME_WIDTH);
  return `${spinner(frame)} ${name} ${paint.faint(bar)} ${String(percent).padStart(3)}%  ${bytes}`;
}

const NAME_WIDTH = 30;

/** Without the host, and with as much of the digest as tells it from others: the line of the end has it all. */
function shortName(image: string): string {
  return image.replace(/^[^/]*[.:][^/]*\//, '').replace(/@sha(?:256|512):([0-9a-f]{7})[0-9a-f]+/, '@$1');
}

function spinner(frame: number): string {
  return FRAMES[frame % FRAMES.length] ?? '';
}

function finishedLine(event: ProgressEvent, paint: Paint): string | undefined {
  if (event.kind === 'warning') return `${paint.warn('! warning')}  ${event.message}`;
  if (event.kind !== 'image-done' || event.outcome === 'unchanged') return undefined;
  if (event.outcome === 'copied') {
    const how = formatCopied(event.bytes, event.durationMs);
    return `${paint.good('✓ copied')}  ${event.label ?? event.image}  ${paint.faint(how)}`;
  }
  return `${paint.bad(`✗ ${event.outcome}`)}  ${event.label ?? event.image}${event.error ? `  ${event.error.what}` : ''}`;
}

/** Cuts a line to the terminal's width, not counting colour codes, so that it stays one row. */
function cut(line: string, width: number): string {
  if (Bun.stringWidth(line) <= width) return line;
  return `${line.slice(0, width - 1)}…\u001b[0m`;
}
