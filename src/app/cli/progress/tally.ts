import type { ProgressEvent } from '#surface/server/api';

/** How a run stands, from its events. */
export type Tally = {
  title: string;
  /** Images that the run has in all; undefined until it is known. */
  planned: number | undefined;
  done: number;
  failed: number;
  /** Of images that are finished or on their way. */
  doneBytes: number;
  totalBytes: number;
  readonly active: Map<string, Active>;
};
export type Active = {
  readonly number: number;
  startedAtMs: number;
  doneBytes: number;
  totalBytes: number;
  saidAtMs: number;
};

export function newTally(): Tally {
  return { title: '', planned: undefined, done: 0, failed: 0, doneBytes: 0, totalBytes: 0, active: new Map() };
}

/** Adds one event. Byte counts of events are sums so far. */
export function addEvent(tally: Tally, event: ProgressEvent, nowMs: number): void {
  switch (event.kind) {
    case 'run-started':
      tally.title = event.title;
      break;
    case 'run-planned':
      tally.planned = event.images;
      break;
    case 'image-started': {
      const number = tally.done + tally.active.size + 1;
      tally.active.set(event.image, { number, startedAtMs: nowMs, doneBytes: 0, totalBytes: 0, saidAtMs: nowMs });
      break;
    }
    case 'image-planned':
    case 'image-progress':
      addBytes(tally, event);
      break;
    case 'image-done':
      tally.active.delete(event.image);
      tally.done += 1;
      if (event.outcome === 'failed') tally.failed += 1;
      break;
    default:
      break;
  }
}

function addBytes(tally: Tally, event: Extract<ProgressEvent, { kind: 'image-planned' | 'image-progress' }>): void {
  const active = tally.active.get(event.image);
  if (!active) return;
  if (event.kind === 'image-planned') {
    tally.totalBytes += event.totalBytes - active.totalBytes;
    active.totalBytes = event.totalBytes;
  } else {
    tally.doneBytes += event.doneBytes - active.doneBytes;
    active.doneBytes = event.doneBytes;
  }
}

export function percentOf({ doneBytes, totalBytes }: { doneBytes: number; totalBytes: number }): number {
  return totalBytes === 0 ? 0 : Math.min(100, Math.floor((100 * doneBytes) / totalBytes));
}
