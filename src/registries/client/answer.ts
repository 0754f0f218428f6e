import { type ByteStream, chunksOf, collectBytes } from '#core/std';
import type { Deadline } from './deadline.ts';
import { type Attempt, brokenError } from './failure.ts';

/** A registry's answer, whose body is read within time and size bounds, or dropped. */
export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  /** The exchange, for errors about what it answered. `at.url` is where redirects ended. */
  readonly at: Attempt;
  /** The body piece by piece. Leaving early ends the exchange. */
  chunks(): AsyncGenerator<Uint8Array>;
  /** The whole body. Throws what `tooLarge` makes beyond the limit. */
  bytes(limitBytes: number, tooLarge: () => Error): Promise<Uint8Array>;
  /** The first `limitBytes` of the body as text. */
  text(limitBytes: number): Promise<string>;
  /** Ends the exchange without its body. */
  drop(): Promise<void>;
  /** The body as it comes, for whoever watches it: no bounds hold any more. `abort` or `release` ends the exchange. */
  unwatched(): ByteStream | undefined;
  /** Nothing of it is of use any more. */
  release(): void;
  /** Ends it at once, also under somebody who reads. */
  abort(reason: unknown): void;
};

type AnswerOptions = {
  readonly at: Attempt;
  readonly deadline: Deadline;
  readonly idleMs: number;
  readonly signal?: AbortSignal | undefined;
};

/** What is read of a body that nobody wants, to keep its connection; a longer one is cut. */
const DROPPED_BYTES = 64 * 1024;

export function createAnswer(response: Response, options: AnswerOptions): Answer {
  const { at, deadline } = options;
  const chunks = () => bodyChunks(response.body, options);
  return {
    status: response.status,
    headers: response.headers,
    at,
    chunks,
    bytes: (limitBytes, tooLarge) => {
      const declared = Number(response.headers.get('content-length') ?? 0);
      if (declared > limitBytes) deadline.abort(new Error('too large'));
      return declared > limitBytes ? Promise.reject(tooLarge()) : collectChunks(chunks(), limitBytes, tooLarge);
    },
    text: (limitBytes) => textOf(chunks(), limitBytes),
    // The status said all that counts: a body that breaks while nobody wants it changes nothing.
    drop: async () => {
      await textOf(chunks(), DROPPED_BYTES).catch(() => '');
    },
    unwatched: () => {
      deadline.pause();
      return response.body ?? undefined;
    },
    release: () => deadline.end(),
    abort: (reason) => {
      deadline.abort(reason);
      deadline.end();
    },
  };
}

async function* bodyChunks(body: ByteStream | null, options: AnswerOptions): AsyncGenerator<Uint8Array> {
  const { deadline, idleMs } = options;
  const source = body ? chunksOf(body) : undefined;
  try {
    while (source) {
      // The clock runs while we wait for them, not while somebody waits for us.
      deadline.touch(idleMs);
      const { done, value } = await source.next();
      deadline.pause();
      if (done) return;
      yield value;
    }
  } catch (thrown) {
    if (options.signal?.aborted) throw options.signal.reason;
    throw brokenError(options.at, deadline.signal.aborted ? deadline.signal.reason : thrown);
  } finally {
    deadline.end();
    await source?.return(undefined);
  }
}

async function collectChunks(chunks: AsyncGenerator<Uint8Array>, limitBytes: number, tooLarge: () => Error) {
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: async () => {
      await chunks.return(undefined);
    },
  });
  return collectBytes(stream, limitBytes, tooLarge);
}

async function textOf(chunks: AsyncGenerator<Uint8Array>, limitBytes: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let sizeBytes = 0;
  for await (const chunk of chunks) {
    text += decoder.decode(chunk.subarray(0, limitBytes - sizeBytes), { stream: true });
    sizeBytes += chunk.byteLength;
    if (sizeBytes >= limitBytes) break;
  }
  return text + decoder.decode();
}

/** Ends a response whose body is not wanted. */
export async function drop(response: Response): Promise<void> {
  if (response.body) await textOf(chunksOf(response.body), DROPPED_BYTES).catch(() => '');
}
