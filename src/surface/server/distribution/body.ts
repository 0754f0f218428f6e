import { RegistryError } from '#core/oci';
import { type ByteSource, type ByteStream, type Clock, withFreeableChunks } from '#core/std';
import type { ServerLimits } from '../limits.ts';
import type { Exchange } from './exchange.ts';

const EMPTY = new Uint8Array(0);

/** The request's body, counted and paced. A request without one has an empty one. */
export function bodyOf(exchange: Exchange): ByteSource {
  const { http, env } = exchange;
  if (http.body === null) return EMPTY;
  const counted = (sizeBytes: number) => {
    exchange.bytesIn += sizeBytes;
    if (exchange.bytesIn > env.limits.blobBytes) throw tooLarge(env.limits.blobBytes);
  };
  const paced = pacedBody(http.body, {
    sender: env.limits.sender,
    clock: env.clock,
    onBytes: counted,
    onSlow: () => {
      exchange.closes = true;
    },
  });
  // Bun makes each chunk for this body alone.
  return withFreeableChunks(paced);
}

/** The length that the sender announced. Throws BLOB_TOO_LARGE, SIZE_INVALID. */
export function contentLengthOf({ http, env }: Exchange): number | undefined {
  const text = http.headers.get('content-length');
  if (text === null) return http.body === null ? 0 : undefined;
  if (!/^[0-9]{1,15}$/.test(text)) throw new RegistryError('SIZE_INVALID', 'Content-Length is not a number of bytes');
  const sizeBytes = Number(text);
  if (sizeBytes > env.limits.blobBytes) throw tooLarge(env.limits.blobBytes);
  return sizeBytes;
}

function tooLarge(limitBytes: number): RegistryError {
  return new RegistryError('BLOB_TOO_LARGE', `the body exceeds ${limitBytes} bytes`);
}

export type PaceOptions = {
  readonly sender: ServerLimits['sender'];
  readonly clock: Clock;
  readonly onBytes: (sizeBytes: number) => void;
  readonly onSlow: () => void;
};

/**
 * A stream that errs with REQUEST_TIMEOUT when its source brings too little while it is waited for.
 * Bun's own idle timer cannot do it: it does not see the bytes of a body and would end long uploads too.
 */
export function pacedBody(source: ByteStream, { sender, clock, onBytes, onSlow }: PaceOptions): ByteStream {
  const reader = source.getReader();
  const ended = new AbortController();
  let watching = false;
  let windowBytes = 0;
  let waitingSince: number | undefined;
  let waitedMs = 0;
  const watch = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
    while (!ended.signal.aborted) {
      await clock.sleep(sender.windowMs, ended.signal);
      const nowMs = clock.now();
      // Only time spent waiting for the sender counts: a slow disk is no fault of theirs.
      const idleMs = waitedMs + (waitingSince === undefined ? 0 : nowMs - waitingSince);
      if (idleMs >= sender.windowMs / 2 && windowBytes < sender.minBytesPerWindow) {
        onSlow();
        controller.error(tooSlow(windowBytes, sender.windowMs));
        ended.abort();
        await reader.cancel().catch(ignoreLateError);
        return;
      }
      windowBytes = 0;
      waitedMs = 0;
      if (waitingSince !== undefined) waitingSince = nowMs;
    }
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (!watching) {
          // Not before: a body that is refused unread is never cancelled either, and would be watched for ever.
          watching = true;
          watch(controller).catch(ignoreLateError);
        }
        waitingSince = clock.now();
        const { done, value } = await reader.read();
        waitedMs += clock.now() - waitingSince;
        waitingSince = undefined;
        if (ended.signal.aborted) return;
        if (done) {
          ended.abort();
          controller.close();
          return;
        }
        windowBytes += value.byteLength;
        try {
          onBytes(value.byteLength);
        } catch (refusal) {
          ended.abort();
          controller.error(refusal);
          await reader.cancel().catch(ignoreLateError);
          return;
        }
        controller.enqueue(value);
      },
      async cancel(reason) {
        ended.abort();
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

/** The stream has ended by then, in one way or the other: nobody is left to tell. */
function ignoreLateError(): void {}

function tooSlow(bytes: number, windowMs: number): RegistryError {
  return new RegistryError('REQUEST_TIMEOUT', `only ${bytes} bytes of the body came within ${windowMs / 1000} s`, {
    hint: 'send the content faster, or in chunks',
  });
}
