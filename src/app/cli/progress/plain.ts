import type { ProgressEvent } from '#surface/server/api';
import { formatBytes, formatCopied, plural } from '../table.ts';
import type { Display, DisplayMachine } from './display.ts';
import { type Active, addEvent, newTally, percentOf, type Tally } from './tally.ts';

/** Between the start and the end of an image, one line at most so often (buildkit's figure). */
const LINE_EVERY_MS = 5_000;
/** A CI log that says nothing for longer looks hung, and some systems end such jobs. */
const HEARTBEAT_MS = 30_000;
const LOOK_EVERY_MS = 1_000;

/** One line at the start and end of each image, and a sign of life in between. */
export function plainDisplay({ io }: DisplayMachine): Display {
  const tally = newTally();
  let lastLineMs = io.clock.now();
  const say = (line: string) => {
    lastLineMs = io.clock.now();
    io.stderr.write(`${new Date(lastLineMs).toISOString().slice(11, 19)} ${line}\n`);
  };
  const heartbeat = setInterval(() => {
    if (tally.planned !== undefined && io.clock.now() - lastLineMs >= HEARTBEAT_MS) say(aliveLine(tally));
  }, LOOK_EVERY_MS);
  return {
    event(event) {
      const nowMs = io.clock.now();
      const active = 'image' in event ? tally.active.get(event.image) : undefined;
      addEvent(tally, event, nowMs);
      const line = lineOf(event, { tally, active, nowMs });
      if (line !== undefined) say(line);
    },
    close: () => clearInterval(heartbeat),
  };
}

type Moment = { readonly tally: Tally; readonly active: Active | undefined; readonly nowMs: number };

function lineOf(event: ProgressEvent, moment: Moment): string | undefined {
  switch (event.kind) {
    case 'run-started':
      return event.title;
    case 'run-planned':
      return `${plural(event.images, 'image')} to look at`;
    case 'image-progress':
      return progressLine(event.image, moment);
    case 'image-done':
      return doneLine(event, moment);
    case 'item-done':
      return undefined;
    case 'warning':
      return `warning: ${event.message}`;
    default:
      return undefined;
  }
}

function progressLine(image: string, { tally, active, nowMs }: Moment): string | undefined {
  if (!active || nowMs - active.saidAtMs < LINE_EVERY_MS) return undefined;
  active.saidAtMs = nowMs;
  const bytes = `${formatBytes(active.doneBytes)} of ${formatBytes(active.totalBytes)}`;
  return `${counter(tally, active)} ${image}  ${percentOf(active)}% ${bytes}`;
}

function doneLine(event: Extract<ProgressEvent, { kind: 'image-done' }>, { tally }: Moment): string | undefined {
  // Thousands of unchanged tags are the normal case of a nightly run: the summary counts them.
  if (event.outcome === 'unchanged') return undefined;
  const place = `[${tally.done}/${tally.planned ?? '?'}]`;
  if (event.outcome !== 'copied')
    return `${place} ${event.label ?? event.image}  ${event.outcome}${reason(event.error?.what)}`;
  return `${place} ${event.label ?? event.image}  copied (${formatCopied(event.bytes, event.durationMs)})`;
}

function reason(what: string | undefined): string {
  return what === undefined ? '' : `: ${what}`;
}

function counter(tally: Tally, active: Active): string {
  return `[${active.number}/${tally.planned ?? '?'}]`;
}

function aliveLine(tally: Tally): string {
  const bytes = `${formatBytes(tally.doneBytes)} of ${formatBytes(tally.totalBytes)}`;
  return `still running: ${tally.done}/${tally.planned ?? '?'} images, ${bytes}, ${tally.failed} failed`;
}
