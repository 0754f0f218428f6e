import { type Digest, MediaType, RegistryError, type RepositoryName } from '#core/oci';
import { bodyOf, type CacheStore, type Call, memoryCache, type PartStore, rangeWithin } from '#core/registry';
import { type ByteStream, collectBytes, silentLog, systemClock } from '#core/std';
import type { FlightSource, ProxyEvent } from '../types.ts';
import { createFlights, type FlightsOptions } from './flights.ts';
import type { FlightLimits } from './limits.ts';

export const REPO = 'hub/library/redis' as RepositoryName;
export const OTHER_REPO = 'mirror/library/redis' as RepositoryName;
export const CALL: Call = { principal: { kind: 'anonymous', name: 'test' }, requestId: 'test', purpose: 'pull' };

/** What a source does with one request. Bytes are counted from the blob's beginning. */
export type Behaviour = {
  readonly fail?: Error;
  readonly neverAnswers?: true;
  /** The size that it says, when that is not so. */
  readonly sizeBytes?: number;
  /** Other content than it should. */
  readonly bytes?: Uint8Array;
  /** The connection breaks there. */
  readonly cutAt?: number;
  /** The body ends there as if that were all. */
  readonly endAt?: number;
  readonly hangAt?: number;
  /** Sends all whatever is asked, and says so. */
  readonly ignoresRange?: true;
  /** Gives its raw body. */
  readonly handsOver?: true;
  /** Length of the chunk that begins there; default: 1000. */
  readonly chunkOf?: (offset: number) => number;
  /** Waits before the chunk that begins there. */
  readonly before?: (offset: number) => Promise<void> | undefined;
};

export type FakeSource = FlightSource & {
  /** The first byte that each request asked for. */
  readonly asked: number[];
  readonly calls: Call[];
  sentBytes(): number;
  /** Those of them that nobody asked for. */
  unaskedBytes(): number;
  /** Bodies that are neither at their end nor let go. */
  openBodies(): number;
};

/** A registry with one blob, which behaves as `plan` says of the nth request (from 1). */
export function fakeSource(host: string, bytes: Uint8Array, plan: (nth: number) => Behaviour = () => ({})): FakeSource {
  const asked: number[] = [];
  const calls: Call[] = [];
  let sentBytes = 0;
  let unaskedBytes = 0;
  let openBodies = 0;
  return {
    host,
    repository: 'library/redis' as RepositoryName,
    asked,
    calls,
    sentBytes: () => sentBytes,
    unaskedBytes: () => unaskedBytes,
    openBodies: () => openBodies,
    reader: {
      async getBlob(_, digest, { range }, call) {
        const acts = plan(asked.push(range?.start ?? 0));
        calls.push(call);
        await answersOrNot(acts);
        const content = acts.bytes ?? bytes;
        const size = acts.sizeBytes ?? content.byteLength;
        const { start, end } = rangeWithin(size, range);
        openBodies++;
        const body = bodyOfFake({
          content: content.subarray(0, range?.end === undefined ? content.byteLength : end),
          acts,
          start: acts.ignoresRange ? 0 : start,
          onSent: (from, to) => {
            sentBytes += to - from;
            unaskedBytes += Math.max(0, Math.min(to, start) - from);
          },
          onEnd: () => {
            openBodies--;
          },
        });
        const extra = extrasOf(acts, start, body);
        const descriptor = { mediaType: MediaType.octets, digest, size };
        return {
          value: { kind: 'stream', descriptor, body, ...extra },
          served: { by: host, warnings: [] },
        };
      },
    },
  };
}

async function answersOrNot({ neverAnswers, fail }: Behaviour): Promise<void> {
  if (neverAnswers) await new Promise(() => {});
  if (fail) throw fail;
}

function extrasOf(acts: Behaviour, start: number, body: ByteStream) {
  if (start > 0) return acts.ignoresRange ? ({ verified: true } as const) : {};
  return { verified: true, ...(acts.handsOver ? { handOver: () => ({ body, end: () => {} }) } : {}) } as const;
}

type FakeBody = {
  readonly content: Uint8Array;
  readonly acts: Behaviour;
  readonly start: number;
  readonly onSent: (from: number, to: number) => void;
  readonly onEnd: () => void;
};

function bodyOfFake({ content, acts, start, onSent, onEnd }: FakeBody): ByteStream {
  const { chunkOf = () => 1000, cutAt = Number.POSITIVE_INFINITY, hangAt = Number.POSITIVE_INFINITY } = acts;
  const endAt = Math.min(acts.endAt ?? content.byteLength, content.byteLength);
  const cancelled = Promise.withResolvers<void>();
  let isOpen = true;
  const end = () => {
    if (isOpen) onEnd();
    isOpen = false;
    cancelled.resolve();
  };
  async function* chunks() {
    let offset = start;
    while (offset < endAt) {
      await Promise.race([acts.before?.(offset), cancelled.promise]);
      if (offset >= hangAt) await cancelled.promise;
      if (offset >= cutAt) {
        end();
        throw new Error('the connection broke');
      }
      const stop = Math.min(offset + chunkOf(offset), endAt, hangAt > offset ? hangAt : endAt, cutAt);
      onSent(offset, stop);
      yield content.slice(offset, stop);
      offset = stop;
    }
    end();
  }
  const body = chunks();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await body.next();
        if (!isOpen && !done) return;
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  );
}

/** Bytes that are the same every time and nowhere alike. */
export function someBytes(sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  let seed = 1;
  for (let index = 0; index < sizeBytes; index++) {
    seed = (seed * 48271) % 2147483647;
    bytes[index] = seed & 0xff;
  }
  return bytes;
}

export type Setup = {
  readonly limits?: Partial<FlightLimits>;
  readonly store?: CacheStore;
  readonly parts?: PartStore;
  readonly clock?: FlightsOptions['clock'];
};

/** Flights over a store in memory, whose every event is kept. */
export function setUp({ limits = {}, store = memoryCache(), parts = store.cache.parts, clock }: Setup = {}) {
  const events: ProxyEvent[] = [];
  const flights = createFlights({
    parts,
    link: store.cache.linkBlob,
    clock: clock ?? systemClock(),
    random: () => 0.5,
    log: silentLog(),
    observe: (event) => void events.push(event),
    limits: { retry: { attempts: 3, baseMs: 1, maxMs: 2 }, idleMs: 200, ...limits },
  });
  const read = async (
    digest: Digest,
    sources: readonly FlightSource[],
    { range, repository = REPO, signal }: ReadOptions = {},
  ): Promise<ByteStream> => {
    const call = signal ? { ...CALL, signal } : CALL;
    const { value } = await flights.read({ repository, digest, sources }, range, call);
    return bodyOf(value);
  };
  return { store, flights, events, read, kinds: () => events.map((event) => event.kind) };
}
export type ReadOptions = {
  readonly range?: { readonly start: number; readonly end?: number };
  readonly repository?: RepositoryName;
  readonly signal?: AbortSignal;
};

export function wholeOf(body: ByteStream): Promise<Uint8Array> {
  return collectBytes(body, Number.MAX_SAFE_INTEGER, () => new Error('too much'));
}

/** What is thrown; fails where nothing is. */
export async function failureOf(task: Promise<unknown>): Promise<RegistryError> {
  try {
    await task;
  } catch (thrown) {
    if (thrown instanceof RegistryError) return thrown;
    throw thrown;
  }
  throw new Error('nothing was thrown');
}

/** Bytes in the store, if they are there. */
export async function storedBytes(
  store: CacheStore,
  digest: Digest,
  repository = REPO,
): Promise<Uint8Array | undefined> {
  const found = await store.getBlob(repository, digest, {}, CALL).catch(() => undefined);
  return found && (await wholeOf(bodyOf(found.value)));
}
