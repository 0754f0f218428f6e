import { algorithmOf, createHasher, type Digest, RegistryError } from '#core/oci';
import { type ByteStream, backoffMs } from '#core/std';
import type { Answer } from './answer.ts';
import type { Context } from './context.ts';
import { invalidError, isTransient } from './failure.ts';

/** An answer whose body begins at byte `begins`: a registry without ranges begins at 0 whatever was asked. */
export type OpenedBlob = { readonly answer: Answer; readonly begins: number };

export type DownloadOptions = {
  readonly context: Context;
  readonly digest: Digest;
  /** The whole blob's size, and the part that is wanted of it. */
  readonly size: number;
  readonly start: number;
  readonly end: number;
  readonly first: OpenedBlob;
  /** Asks again for the bytes from `offset` up to `end`. */
  readonly reopen: (offset: number) => Promise<OpenedBlob>;
  readonly signal?: AbortSignal | undefined;
};

/**
 * The bytes `start` to `end` of a blob. A connection that breaks is resumed at the byte it broke at.
 * The last bytes are handed out only when the length, and of a whole blob the digest, hold: a lie never ends cleanly.
 */
export function downloadStream(options: DownloadOptions): ByteStream {
  const current = { ...options.first };
  const chunks = verifiedChunks(options, current);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel(reason) {
        // First the connection: the generator may be waiting for a byte that never comes.
        current.answer.abort(reason);
        await chunks.return(undefined).catch(() => {});
      },
    },
    { highWaterMark: 0 },
  );
}

type Current = { answer: Answer; begins: number };

async function* verifiedChunks(options: DownloadOptions, current: Current): AsyncGenerator<Uint8Array> {
  const { start, end, size, digest } = options;
  const isWhole = start === 0 && end === size;
  const hasher = isWhole ? createHasher(algorithmOf(digest)) : undefined;
  let offset = start;
  for await (const chunk of resumedChunks(options, current)) {
    offset += chunk.byteLength;
    if (offset > end) throw invalidError(current.answer.at, `it sent more than the ${end - start} bytes of the blob`);
    hasher?.update(chunk);
    if (offset === end && hasher) checkDigest(hasher.digest(), options, current);
    yield chunk;
  }
  if (size === 0 && hasher) checkDigest(hasher.digest(), options, current);
}

function checkDigest(actual: Digest, options: DownloadOptions, current: Current): void {
  if (actual === options.digest) return;
  throw invalidError(
    current.answer.at,
    `the blob's ${options.size} bytes have digest ${actual}, not ${options.digest}`,
  );
}

/** The pieces from `start` on, across as many connections as it takes. */
async function* resumedChunks(options: DownloadOptions, current: Current): AsyncGenerator<Uint8Array> {
  let offset = options.start;
  let stalled = 0;
  while (true) {
    const before = offset;
    try {
      for await (const chunk of wantedChunks(options, current, offset)) {
        offset += chunk.byteLength;
        yield chunk;
      }
      if (offset >= options.end) return;
      throw cutError(options, current, offset);
    } catch (thrown) {
      // Attempts that brought something do not count: a slow line may break often.
      stalled = offset > before ? 1 : stalled + 1;
      if (offset >= options.end || !mayResume(thrown, options, stalled)) throw thrown;
      const { clock, retry, random } = options.context;
      await clock.sleep(backoffMs(stalled, retry, random), options.signal);
      Object.assign(current, await options.reopen(offset));
    }
  }
}

/** The pieces of one answer from `offset` on; of a registry that sent more than was asked, only what was asked. */
async function* wantedChunks(options: DownloadOptions, current: Current, offset: number): AsyncGenerator<Uint8Array> {
  const isExact = current.begins === offset;
  let at = current.begins;
  for await (const chunk of current.answer.chunks()) {
    const from = Math.max(0, offset - at);
    const to =
      isExact && options.end === options.size ? chunk.byteLength : Math.min(chunk.byteLength, options.end - at);
    at += chunk.byteLength;
    if (from < to) yield chunk.subarray(from, to);
    if (!isExact && at >= options.end && options.end < options.size) return;
  }
}

function cutError({ context, end }: DownloadOptions, current: Current, offset: number): RegistryError {
  return new RegistryError('UPSTREAM_UNAVAILABLE', `${context.host} ended a blob at byte ${offset} of ${end}`, {
    origin: 'upstream',
    upstream: { registry: context.host, attempts: current.answer.at.attempt },
    why: 'the body was shorter than its length',
  });
}

function mayResume(thrown: unknown, options: DownloadOptions, stalled: number): boolean {
  if (options.signal?.aborted || stalled >= options.context.retry.attempts) return false;
  return thrown instanceof RegistryError && isTransient(thrown);
}
