import { algorithmOf, createHasher, type Descriptor, RegistryError } from '#core/oci';
import { type ByteStream, type Clock, chunksOf } from '#core/std';
import { digestMismatch, sizeMismatch } from '../answer.ts';
import { createLane, type Lane } from './lane.ts';

/** One of several readers of a download, with a bounded queue of its own; `failure` is why it was cut, if it was. */
export type Branch = Pick<Lane, 'body' | 'close' | 'failure'>;

export type TeeOptions = {
  readonly count: number;
  readonly bufferBytes: number;
  readonly stallMs: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  /** Bytes that a branch's reader took so far, by the branch's number: now and then. */
  readonly onTaken?: (branch: number, bytes: number) => void;
};

export type Tee = {
  readonly branches: readonly Branch[];
  /**
   * Feeds the branches until the source ends. The last bytes are held back until size and digest hold:
   * what is wrong ends in an error on every branch, never in a clean end. Throws SIZE_INVALID, DIGEST_INVALID,
   * and what the source throws. The slowest branch sets the pace; one that stands still fails alone.
   */
  run(source: TeeSource, expected: Descriptor): Promise<void>;
};

/** `verified`: the body errs by itself where its bytes are not those of the digest, so they are not hashed twice. */
export type TeeSource = { readonly body: ByteStream; readonly verified: boolean };

/** Bytes between two reports about one branch: enough for a bar, and a report a chunk would cost as much as copying it. */
const PROGRESS_STEP_BYTES = 512 * 1024;

export function createTee(options: TeeOptions): Tee {
  const lanes = Array.from({ length: options.count }, (_, index) =>
    createLane(options.bufferBytes, {
      stepBytes: PROGRESS_STEP_BYTES,
      onTaken: (bytes) => options.onTaken?.(index, bytes),
    }),
  );
  return {
    branches: lanes,
    async run(source, expected) {
      try {
        await pump(source, expected, (chunk) => offer(lanes, chunk, options));
        for (const lane of lanes) lane.end();
      } catch (thrown) {
        for (const lane of lanes) lane.fail(thrown);
        throw thrown;
      }
    },
  };
}

/** Verifies while passing on; `take` answers false when nobody wants more. */
async function pump(source: TeeSource, expected: Descriptor, take: (chunk: Uint8Array) => boolean | Promise<boolean>) {
  const hasher = source.verified ? undefined : createHasher(algorithmOf(expected.digest));
  let sizeBytes = 0;
  let held: Uint8Array | undefined;
  for await (const chunk of chunksOf(source.body)) {
    hasher?.update(chunk);
    sizeBytes += chunk.byteLength;
    if (sizeBytes > expected.size) throw sizeMismatch(expected.size, sizeBytes);
    const more = held ? take(held) : true;
    if (!(typeof more === 'boolean' ? more : await more)) return;
    held = chunk;
  }
  if (sizeBytes !== expected.size) throw sizeMismatch(expected.size, sizeBytes);
  const actual = hasher?.digest();
  if (actual !== undefined && actual !== expected.digest) throw digestMismatch(expected.digest, actual);
  if (held) await take(held);
}

/** Answers at once where every lane has room: waiting costs a turn of the event loop for each chunk. */
function offer(lanes: readonly Lane[], chunk: Uint8Array, options: TeeOptions): boolean | Promise<boolean> {
  options.signal?.throwIfAborted();
  const open = lanes.filter((lane) => !lane.closed);
  for (const lane of open) lane.push(chunk);
  if (open.every((lane) => lane.queuedBytes <= options.bufferBytes)) return open.length > 0;
  const waits = open.map((lane) => (open.length > 1 ? waitWhileMoving(lane, options) : lane.room()));
  return Promise.all(waits).then(() => true);
}

/** Waits as long as the reader makes progress: the others shall not wait for one that stands still. */
async function waitWhileMoving(lane: Lane, { bufferBytes, stallMs, clock }: TeeOptions): Promise<void> {
  while (!lane.closed && lane.queuedBytes > bufferBytes) {
    const before = lane.takenBytes;
    const timer = new AbortController();
    const stalled = clock.sleep(stallMs, timer.signal).then(
      () => true,
      () => false,
    );
    const late = await Promise.race([lane.room().then(() => false), stalled]);
    timer.abort();
    if (late && lane.takenBytes === before) lane.fail(new StallError(stallMs));
  }
}

/** The reader of a branch took nothing for too long. */
export class StallError extends RegistryError {
  constructor(stallMs: number) {
    super('UPSTREAM_TIMEOUT', `the destination took no bytes for ${Math.round(stallMs / 1000)} s`);
    this.name = 'StallError';
  }
}
