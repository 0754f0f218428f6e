import type { Digest } from '#core/oci';
import { type BlobAnswer, bodyOf, type Call } from '#core/registry';
import type { FlightSource } from '../types.ts';
import { brokenError, idleError, shortError, silentError } from './error.ts';
import type { FlightLimits } from './limits.ts';

/** A source that answered: its bytes as they come, watched. */
export type OpenSource = {
  readonly sizeBytes: number;
  /** Bytes before the one that was asked for: of a source that sends all whatever is asked. */
  readonly skipBytes: number;
  /** The next bytes; undefined at the end. Throws when nothing comes for too long. */
  read(): Promise<Uint8Array | undefined>;
  /** Everything came: lets the connection go, and does not wait for that. */
  finish(): void;
  /** Ends it at once. */
  cut(reason: unknown): void;
};

export type Asking = {
  readonly digest: Digest;
  readonly offset: number;
  readonly call: Call;
  readonly signal: AbortSignal;
  readonly limits: FlightLimits;
};

/** Asks a source for a blob from a byte on. */
export async function openSource(source: FlightSource, asking: Asking): Promise<OpenSource> {
  const attempt = new AbortController();
  const onOuter = () => attempt.abort(asking.signal.reason);
  asking.signal.addEventListener('abort', onOuter, { once: true });
  const timer = setTimeout(
    () => attempt.abort(silentError(source.host, asking.limits.answerMs)),
    asking.limits.answerMs,
  );
  const release = () => asking.signal.removeEventListener('abort', onOuter);
  try {
    asking.signal.throwIfAborted();
    const value = await answerOf(source, asking, attempt.signal);
    return watched(value, { source, asking, attempt, release });
  } catch (thrown) {
    release();
    throw thrown;
  } finally {
    clearTimeout(timer);
  }
}

/** Does not wait for a source that overlooks the signal; what it answers later is let go. */
async function answerOf(source: FlightSource, asking: Asking, signal: AbortSignal): Promise<BlobAnswer> {
  const { digest, offset } = asking;
  // The reader's own signal stays out of it: others read too.
  const call: Call = { ...asking.call, signal };
  const options = offset > 0 ? { range: { start: offset } } : {};
  const answer = source.reader.getBlob(source.repository, digest, options, call);
  return await new Promise((resolve, reject) => {
    const onAbort = () => {
      reject(signal.reason);
      answer.then(
        ({ value }) => (value.kind === 'stream' ? value.body.cancel() : undefined),
        () => {
          // It failed as it should: nobody waits for it any more.
        },
      );
    };
    signal.addEventListener('abort', onAbort, { once: true });
    answer.then(
      ({ value }) => {
        signal.removeEventListener('abort', onAbort);
        resolve(value);
      },
      (thrown) => {
        signal.removeEventListener('abort', onAbort);
        reject(thrown);
      },
    );
  });
}

type Opened = {
  readonly source: FlightSource;
  readonly asking: Asking;
  readonly attempt: AbortController;
  readonly release: () => void;
};

function watched(value: BlobAnswer, { source, asking, attempt, release }: Opened): OpenSource {
  const { idleMs } = asking.limits;
  // The bytes are hashed where they are stored: once is enough, and so the raw body is preferred.
  const handed = value.kind === 'stream' && asking.offset === 0 ? value.handOver?.() : undefined;
  const reader = (handed?.body ?? bodyOf(value)).getReader();
  const isWhole = value.kind === 'stream' && value.verified === true;
  let cutBy: unknown;
  let receivedBytes = 0;
  let isOver = false;
  const letGo = (reason?: unknown) => {
    if (isOver) return;
    isOver = true;
    handed?.end(reason, receivedBytes);
    idle.stop();
    release();
  };
  const cut = (reason: unknown) => {
    cutBy ??= reason;
    letGo(reason);
    reader.cancel(reason).catch(() => {});
  };
  const idle = watchIdle(idleMs, () => cut(idleError(source.host, idleMs)));
  attempt.signal.addEventListener('abort', () => cut(attempt.signal.reason), { once: true });
  return {
    sizeBytes: value.descriptor.size,
    skipBytes: isWhole ? asking.offset : 0,
    async read() {
      idle.wait();
      const { done, value: chunk } = await reader.read().catch((thrown) => {
        throw cutBy ?? brokenError(source.host, thrown);
      });
      idle.pause();
      if (cutBy !== undefined) throw cutBy;
      receivedBytes += chunk?.byteLength ?? 0;
      return done ? undefined : chunk;
    },
    finish() {
      // The end of the body frees the connection for the next request; a source that sends more is cut.
      idle.wait();
      reader.read().then(
        ({ done }) => (done ? letGo() : cut(shortError(source.host, asking.offset, value.descriptor.size))),
        () => letGo(),
      );
    },
    cut,
  };
}

/** One timer looks now and then whether anything came: a timer for each chunk would cost more than the chunk. */
function watchIdle(idleMs: number, onIdle: () => void) {
  let isWaiting = false;
  let waits = 0;
  let seen = 0;
  const timer = setInterval(() => {
    if (isWaiting && waits === seen) onIdle();
    seen = waits;
  }, idleMs);
  return {
    wait() {
      isWaiting = true;
      waits++;
    },
    pause() {
      isWaiting = false;
    },
    stop: () => clearInterval(timer),
  };
}
