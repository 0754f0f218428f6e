import { type Digest, RegistryError } from '#core/oci';
import type { CacheKeeping, Part, PartStore } from '#core/registry';
import type { Clock, Log } from '#core/std';
import type { ProxyEvent } from '../types.ts';
import type { FlightLimits } from './limits.ts';
import { createTip, type Tip } from './tip.ts';

export type FlightContext = {
  readonly parts: PartStore;
  readonly link: CacheKeeping['linkBlob'];
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly observe: (event: ProxyEvent) => void;
  readonly limits: FlightLimits;
  /** How many of its newest bytes a download may keep in memory now. */
  readonly tipBytes: () => number;
};

/** How far a download is, as the bodies see it that follow it. */
export type Course = {
  readonly digest: Digest;
  readonly part: Part;
  readonly tip: Tip;
  readonly sizeBytes: number;
  /** Bytes that readers may have: the last are held back until size and digest hold. */
  readonly visibleBytes: number;
  /** Size and digest hold, and it is stored. */
  readonly isVerified: boolean;
  /** Why there will be no more. */
  readonly failure: unknown;
  readonly waiting: Waiting;
  /** Somebody is given bytes, which nothing can take back. */
  noteGiven(): void;
};

/** The same as the flight sees it that makes it go. */
export type MutableCourse = Course & {
  readonly isSized: boolean;
  readonly receivedBytes: number;
  readonly wasGiven: boolean;
  takeOff(part: Part): void;
  sized(sizeBytes: number, context: FlightContext): void;
  land(chunk: Uint8Array, context: FlightContext): Promise<void>;
  verified(): void;
  failed(failure: unknown): void;
  /** The part is gone. */
  forget(): void;
  /** Lets go of the part, if there is one: with bytes it is kept. */
  putAway(): Promise<void>;
};

/** Left in memory of a blob that is stored: for readers who are about to end. */
const STORED_TIP_BYTES = 256 * 1024;

export function createCourse(digest: Digest): MutableCourse {
  const waiting = createWaiting();
  let part: Part | undefined;
  let tip = createTip(0);
  let sizeBytes: number | undefined;
  let visibleBytes = 0;
  let isVerified = false;
  let wasGiven = false;
  let failure: unknown;
  const held = () => {
    if (part) return part;
    throw new RegistryError('INTERNAL', `no part is open for ${digest}`);
  };
  return {
    digest,
    waiting,
    get part() {
      return held();
    },
    get tip() {
      return tip;
    },
    get isSized() {
      return sizeBytes !== undefined;
    },
    get sizeBytes() {
      return sizeBytes ?? 0;
    },
    get receivedBytes() {
      return part?.offset ?? 0;
    },
    get visibleBytes() {
      return visibleBytes;
    },
    get isVerified() {
      return isVerified;
    },
    get wasGiven() {
      return wasGiven;
    },
    get failure() {
      return failure;
    },
    noteGiven() {
      wasGiven = true;
    },
    takeOff(opened) {
      part = opened;
      tip = createTip(opened.offset);
    },
    sized(size, { limits }) {
      sizeBytes = size;
      visibleBytes = visibleOf(held().offset, size, limits);
      waiting.wake(visibleBytes);
    },
    async land(chunk, { limits, tipBytes }) {
      const open = held();
      await open.append(chunk);
      tip.push(chunk, tipBytes());
      visibleBytes = visibleOf(open.offset, sizeBytes ?? 0, limits);
      waiting.wake(visibleBytes);
    },
    verified() {
      isVerified = true;
      visibleBytes = sizeBytes ?? 0;
      tip.trim(STORED_TIP_BYTES);
      waiting.wakeAll();
    },
    failed(why) {
      failure = why;
      tip.trim(0);
      waiting.wakeAll();
    },
    forget() {
      part = undefined;
      visibleBytes = 0;
    },
    async putAway() {
      const open = part;
      if (!open) return;
      await (open.offset > 0 ? open.close() : open.discard());
    },
  };
}

/** Readers who wait for a byte. */
export type Waiting = {
  /** Resolves when the byte at `position` can be had, or will not come; or at `wakeAll`. */
  until(position: number, signal: AbortSignal | undefined): Promise<void>;
  wake(visibleBytes: number): void;
  wakeAll(): void;
};

type Waiter = { readonly position: number; readonly wake: () => void };

export function createWaiting(): Waiting {
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

/** Of `receivedBytes` those that may be seen before the whole is known to be right. */
export function visibleOf(receivedBytes: number, sizeBytes: number, { heldBackBytes }: FlightLimits): number {
  return Math.min(receivedBytes, Math.max(0, sizeBytes - heldBackBytes));
}
