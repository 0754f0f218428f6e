import { type Digest, isRegistryError, MediaType, RegistryError } from '#core/oci';
import {
  type BlobAnswer,
  type ByteRange,
  type CacheKeeping,
  type Call,
  type PartStore,
  rangeWithin,
  type Served,
} from '#core/registry';
import { type Clock, type Log, messageOf, unlessAborted } from '#core/std';
import type { Flights, FlightWish, ProxyEvent } from '../types.ts';
import { followingBody } from './body.ts';
import type { FlightContext } from './course.ts';
import { freshError } from './error.ts';
import { type Flight, type Seat, startFlight } from './flight.ts';
import { boundKept } from './kept.ts';
import { DEFAULT_FLIGHT_LIMITS, type FlightLimits } from './limits.ts';
import { passThrough, passThroughBody } from './pass-through.ts';

export type FlightsOptions = {
  readonly parts: PartStore;
  /** Links a blob to the repositories that joined its download while it was being stored. */
  readonly link: CacheKeeping['linkBlob'];
  readonly clock: Clock;
  /** A number from 0 up to 1. */
  readonly random: () => number;
  readonly log: Log;
  readonly observe: (event: ProxyEvent) => void;
  readonly limits?: Partial<FlightLimits>;
};

type State = {
  readonly context: FlightContext;
  readonly flying: Map<Digest, Flight>;
  isClosed: boolean;
};

export function createFlights(options: FlightsOptions): Flights {
  const flying = new Map<Digest, Flight>();
  const limits = { ...DEFAULT_FLIGHT_LIMITS, ...options.limits };
  const context: FlightContext = {
    ...options,
    limits,
    onUsed: createSweep(limits.sweepBytes),
    tipBytes: () => Math.max(limits.tipLeastBytes, limits.tipBytes / Math.max(1, flying.size)),
  };
  const state: State = { context, flying, isClosed: false };
  return {
    read: (wish, range, call) => read(state, { wish, range, call }),
    async warm(wish, call) {
      const { seat } = await board(state, wish, call);
      return await unlessAborted(seat.stored, call.signal)
        .catch((thrown) => {
          throw freshError(thrown);
        })
        .finally(seat.leave);
    },
    find(digest) {
      const flight = flying.get(digest);
      return flight && !flight.isOver() ? flight.fact() : undefined;
    },
    list: () =>
      [...flying.values()]
        .filter(({ course, isOver }) => !isOver() && !course.isVerified)
        .map((flight) => flight.fact()),
    async close() {
      state.isClosed = true;
      const all = [...flying.values()];
      for (const flight of all) flight.end('the server stops');
      await Promise.allSettled(all.map(({ stored }) => stored));
    },
  };
}

/**
 * Chunks that have been read are garbage, of which the collector sees little: their bytes are outside its heap, and
 * 100 MB of them were seen. It is woken now and then; it works beside us.
 */
function createSweep(sweepBytes: number): (sizeBytes: number) => void {
  let usedBytes = 0;
  return (sizeBytes) => {
    usedBytes += sizeBytes;
    if (usedBytes < sweepBytes) return;
    usedBytes = 0;
    Bun.gc(false);
  };
}

/**
 * Takes a seat in the flight of a digest, which begins now if there is none. Nothing is awaited between the look at who
 * is in it and the seat: another repository's is joined only after the upstream was asked.
 */
async function board(state: State, wish: FlightWish, call: Call): Promise<{ flight: Flight; seat: Seat }> {
  const { flying, context } = state;
  let isConfirmed = wish.confirm === undefined;
  while (true) {
    if (state.isClosed) throw new RegistryError('UNAVAILABLE', 'the server stops', { hint: 'try again' });
    const flight = flying.get(wish.digest);
    if (flight === undefined) break;
    if (!flight.isOver() && flight.comesFor(wish)) {
      if (isConfirmed || flight.isFor(wish.repository)) {
        context.observe({ kind: 'flight-joined', flight: flight.fact() });
        return { flight, seat: flight.attend(wish) };
      }
      await wish.confirm?.();
      isConfirmed = true;
      continue;
    }
    // It is another upstream's, or its part is being put away: one hand at a time holds it.
    await unlessAborted(flight.stored, call.signal).catch(() => call.signal?.throwIfAborted());
    await afterThisTurn();
  }
  const flight = startFlight(wish, call, context);
  flying.set(wish.digest, flight);
  const remove = () => flying.delete(wish.digest);
  // Whoever looked into the store just before it was there comes here now: for a turn there is still a flight to join.
  flight.stored.then(
    () => setImmediate(remove),
    () => {
      remove();
      boundKept(context).catch((thrown) =>
        context.log.error('kept parts were not bounded', { error: messageOf(thrown) }),
      );
    },
  );
  return { flight, seat: flight.attend(wish) };
}

/** Flights leave the table a turn after they ended. */
function afterThisTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

type Read = { readonly wish: FlightWish; readonly range: ByteRange | undefined; readonly call: Call };

async function read(state: State, { wish, range, call }: Read): Promise<Served<BlobAnswer>> {
  const { flight, seat } = await board(state, wish, call);
  try {
    const sizeBytes = await unlessAborted(seat.sized, call.signal);
    return answerOf(flight, { wish, call, leave: seat.leave, ...rangeWithin(sizeBytes, range) });
  } catch (thrown) {
    seat.leave();
    if (isRegistryError(thrown, 'INSUFFICIENT_STORAGE') && thrown.origin === 'local') {
      return await passThrough(wish, range, call);
    }
    throw freshError(thrown);
  }
}

type Following = {
  readonly wish: FlightWish;
  readonly call: Call;
  readonly leave: () => void;
  readonly start: number;
  readonly end: number;
};

function answerOf(flight: Flight, { wish, call, leave, start, end }: Following): Served<BlobAnswer> {
  const { course, digest } = flight;
  const { host, receivedBytes, sizeBytes } = flight.fact();
  const isWhole = start === 0 && end === sizeBytes;
  const body = followingBody(course, {
    start,
    end,
    signal: call.signal,
    onEnd: leave,
    detour(failure, from) {
      // Nobody could vouch for a whole of which one half came the one way and one the other.
      const isFull = isRegistryError(failure, 'INSUFFICIENT_STORAGE') && failure.origin === 'local';
      if (!isFull || (isWhole && from > 0)) return undefined;
      return passThroughBody(wish, isWhole ? undefined : { start: from, end }, call);
    },
  });
  const descriptor = { mediaType: MediaType.octets, digest, size: sizeBytes };
  const reason = receivedBytes > 0 ? 'joined the download' : 'being downloaded';
  return {
    value: { kind: 'stream', descriptor, body },
    served: { by: host, verdict: 'miss', upstream: host, reason, warnings: [] },
  };
}
