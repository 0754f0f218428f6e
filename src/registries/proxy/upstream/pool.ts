import { RegistryError } from '#core/oci';
import { type Asker, createFairQueue } from './fair-queue.ts';
import type { UpstreamLimits } from './types.ts';

export type ConnectionWish = Asker & {
  /** Blobs last; all other exchanges are over with their answer. */
  readonly kind: 'blob' | 'short';
  readonly signal: AbortSignal | undefined;
};

/** Connections to one upstream. */
export type Pool = {
  /** Waits for a connection, and answers how to give it back (once; again does nothing). Throws TOOMANYREQUESTS, and the signal's reason. */
  enter(wish: ConnectionWish): Promise<() => void>;
  readonly active: number;
  readonly waiting: number;
  /** Refuses whoever waits, and whoever comes. */
  close(): void;
};

/** Of all connections, kept free of blobs: a manifest never waits for somebody's gigabytes. */
const SHORT_SHARE = 0.25;
/** Of the blobs' connections, what one repository may hold: there is always one for the next. */
const REPOSITORY_SHARE = 0.75;

export const UPSTREAM_LIMITS: UpstreamLimits = {
  // As many as the layers of some images at once; upstreams limit the connections of one client.
  connections: 32,
  // Each costs some hundred bytes; more than this is a herd that should come again later.
  waiting: 2000,
  // Clients have given up by then, and those that have not should hear something.
  waitMs: 300_000,
};

type Waiter = ConnectionWish & { go(): void; refuse(reason: unknown): void };
type Kind = ConnectionWish['kind'];

/** How many of which kind are in use, and whether one more may be. */
function createPlaces({ connections }: UpstreamLimits) {
  const reserved = connections > 1 ? Math.ceil(connections * SHORT_SHARE) : 0;
  const most = { short: connections, blob: connections - reserved };
  const mostOfOne = Math.max(1, Math.ceil(most.blob * REPOSITORY_SHARE));
  const active = { short: 0, blob: 0 };
  const blobsOf = new Map<string, number>();
  return {
    active: () => active.short + active.blob,
    mayGo: ({ kind, repository }: ConnectionWish) =>
      active.short + active.blob < connections &&
      active[kind] < most[kind] &&
      (kind === 'short' || (blobsOf.get(repository) ?? 0) < mostOfOne),
    count({ kind, repository }: ConnectionWish, by: 1 | -1) {
      active[kind] += by;
      if (kind === 'short') return;
      const left = (blobsOf.get(repository) ?? 0) + by;
      if (left === 0) blobsOf.delete(repository);
      else blobsOf.set(repository, left);
    },
  };
}

export function createPool(host: string, limits: UpstreamLimits): Pool {
  const places = createPlaces(limits);
  const queues = { short: createFairQueue<Waiter>(), blob: createFairQueue<Waiter>() };
  let first: Kind = 'short';
  let isClosed = false;

  /** Both kinds take turns too, so that many short ones do not keep the blobs out. */
  const next = (): Waiter | undefined => {
    const second: Kind = first === 'short' ? 'blob' : 'short';
    const waiter = queues[first].take(places.mayGo) ?? queues[second].take(places.mayGo);
    if (waiter) first = waiter.kind === 'short' ? 'blob' : 'short';
    return waiter;
  };
  const hold = (wish: ConnectionWish) => {
    let isHeld = true;
    places.count(wish, 1);
    return () => {
      if (!isHeld) return;
      isHeld = false;
      places.count(wish, -1);
      for (let waiter = next(); waiter; waiter = next()) waiter.go();
    };
  };
  const wait = (wish: ConnectionWish): Promise<() => void> => {
    const queue = queues[wish.kind];
    const { promise, resolve, reject } = Promise.withResolvers<() => void>();
    const waiter: Waiter = { ...wish, go: () => resolve(hold(wish)), refuse: reject };
    const leave = (reason: unknown) => {
      if (queue.remove(waiter)) reject(reason);
    };
    queue.push(waiter);
    const onAbort = () => leave(wish.signal?.reason);
    wish.signal?.addEventListener('abort', onAbort, { once: true });
    const timer = setTimeout(() => leave(tooMany(host, `none came free in ${limits.waitMs / 1000} s`)), limits.waitMs);
    return promise.finally(() => {
      clearTimeout(timer);
      wish.signal?.removeEventListener('abort', onAbort);
    });
  };

  return {
    get active() {
      return places.active();
    },
    get waiting() {
      return queues.short.size + queues.blob.size;
    },
    async enter(wish) {
      wish.signal?.throwIfAborted();
      if (isClosed) throw closed(host);
      // Whoever waits may not go: otherwise it would have gone when it could.
      if (places.mayGo(wish)) return hold(wish);
      const { size } = queues[wish.kind];
      if (size >= limits.waiting) throw tooMany(host, `${size} wait already`);
      return await wait(wish);
    },
    close() {
      isClosed = true;
      for (const queue of Object.values(queues)) for (const waiter of queue.clear()) waiter.refuse(closed(host));
    },
  };
}

/** Long enough for some blobs to end. */
const COME_AGAIN_MS = 5000;

function tooMany(host: string, why: string): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', `all connections to ${host} are in use`, {
    why,
    hint: `try again, or raise registries."${host}".limits.connections`,
    retryAfterMs: COME_AGAIN_MS,
  });
}

function closed(host: string): RegistryError {
  return new RegistryError('UNAVAILABLE', `${host} is not asked any more`, { why: 'this server is shutting down' });
}
