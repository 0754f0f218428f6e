import { type Digest, RegistryError } from '#core/oci';
import type { CacheKeeping, Part, PartStore } from '#core/registry';
import type { Clock, Log } from '#core/std';
import type { ProxyEvent } from '../types.ts';
import type { FlightLimits } from './limits.ts';
import { createRereads, type Rereads } from './reread.ts';
import { createTip, type Tip } from './tip.ts';

export type FlightContext = {
  readonly parts: PartStore;
  readonly link: CacheKeeping['linkBlob'];
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly observe: (event: ProxyEvent) => void;
  readonly limits: FlightLimits;
  /** How many of its newest bytes a download may keep in memory now; and as many that were read back. */
  readonly tipBytes: () => number;
  /** So much memory was taken that will be garbage soon. */
  readonly onUsed: (sizeBytes: number) => void;
};

/** How far a download is: the flight moves it on, bodies follow it. */
export type Course = {
  readonly digest: Digest;
  readonly waiting: Waiting;
  /** Absent before it is open, and after its bytes proved wrong. */
  part: Part | undefined;
  tip: Tip;
  readonly rereads: Rereads;
  /** Known once a source answered. */
  sizeBytes: number | undefined;
  /** Bytes that readers may have: the last are held back until size and digest hold. */
  visibleBytes: number;
  /** Size and digest hold. */
  isRight: boolean;
  /** It is stored, too. */
  isVerified: boolean;
  /** Somebody was given bytes, which nothing can take back. */
  wasGiven: boolean;
  /** Why there will be no more. */
  failure: unknown;
};

/** Left in memory of a blob that is stored: for readers who are about to end. */
const STORED_TIP_BYTES = 256 * 1024;

export function createCourse(digest: Digest, { tipBytes, onUsed }: FlightContext): Course {
  return {
    digest,
    waiting: createWaiting(),
    part: undefined,
    tip: createTip(0),
    rereads: createRereads({ limitBytes: tipBytes, onRead: onUsed }),
    sizeBytes: undefined,
    visibleBytes: 0,
    isRight: false,
    isVerified: false,
    wasGiven: false,
    failure: undefined,
  };
}

export function partOf({ part, digest }: Course): Part {
  if (part) return part;
  throw new RegistryError('INTERNAL', `no part is open for ${digest}`);
}

export function receivedBytes({ part }: Course): number {
  return part?.offset ?? 0;
}

export function takeOff(course: Course, part: Part): void {
  course.part = part;
  course.tip = createTip(part.offset);
}

export function setSize(course: Course, sizeBytes: number, { limits }: FlightContext): void {
  course.sizeBytes = sizeBytes;
  show(course, visibleOf(receivedBytes(course), sizeBytes, limits));
}

export async function land(
  course: Course,
  chunk: Uint8Array,
  { limits, tipBytes, onUsed }: FlightContext,
): Promise<void> {
  const part = partOf(course);
  const offset = part.offset + chunk.byteLength;
  const appended = part.append(chunk);
  // It is in memory: whoever keeps up has it while the disk takes it.
  course.tip.push(chunk, tipBytes());
  const visible = visibleOf(offset, course.sizeBytes ?? 0, limits);
  if (part.offset === offset) show(course, visible);
  await appended;
  onUsed(chunk.byteLength);
  show(course, visible);
}

function show(course: Course, visibleBytes: number): void {
  course.visibleBytes = visibleBytes;
  course.waiting.wake(visibleBytes);
}

/** Nothing is held back any more; that it is on disk, readers need not wait for. */
export function confirm(course: Course): void {
  course.isRight = true;
  course.visibleBytes = course.sizeBytes ?? 0;
  course.waiting.wakeAll();
}

export function arrive(course: Course): void {
  course.isRight = true;
  course.isVerified = true;
  course.visibleBytes = course.sizeBytes ?? 0;
  course.tip.trim(STORED_TIP_BYTES);
  course.waiting.wakeAll();
}

export function fail(course: Course, failure: unknown): void {
  course.failure = failure;
  course.tip.trim(0);
  course.rereads.trim(0);
  course.waiting.wakeAll();
}

/** Its part is gone. */
export function forget(course: Course): void {
  course.part = undefined;
  course.visibleBytes = 0;
}

/** Lets go of the part, if there is one: with bytes it is kept. */
export async function putAway({ part }: Course): Promise<void> {
  if (part) await (part.offset > 0 ? part.close() : part.discard());
}

/** Of `receivedBytes` those that may be seen before the whole is known to be right. */
function visibleOf(received: number, sizeBytes: number, { heldBackBytes }: FlightLimits): number {
  return Math.min(received, Math.max(0, sizeBytes - heldBackBytes));
}

/** Readers who wait for a byte. */
export type Waiting = {
  /** Resolves when the byte at `position` can be had, or will not come; or at `wakeAll`. */
  until(position: number, signal: AbortSignal | undefined): Promise<void>;
  wake(visibleBytes: number): void;
  wakeAll(): void;
};

type Waiter = { readonly position: number; readonly wake: () => void };

function createWaiting(): Waiting {
  const waiters = new Set<Waiter>();
  const wakeIf = (isWoken: (waiter: Waiter) => boolean) => {
    for (const waiter of waiters) {
      if (!isWoken(waiter)) continue;
      waiters.delete(waiter);
      waiter.wake();
    }
  };
  return {
    until: (position, signal) =>
      new Promise((resolve) => {
        const onAbort = () => {
          waiters.delete(waiter);
          resolve();
        };
        const waiter: Waiter = {
          position,
          wake: () => {
            signal?.removeEventListener('abort', onAbort);
            resolve();
          },
        };
        if (signal?.aborted) return resolve();
        signal?.addEventListener('abort', onAbort, { once: true });
        waiters.add(waiter);
      }),
    // Most of many readers wait for bytes far ahead: they sleep on.
    wake: (visibleBytes) => wakeIf(({ position }) => position < visibleBytes),
    wakeAll: () => wakeIf(() => true),
  };
}
