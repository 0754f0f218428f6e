import { RegistryError } from '#core/oci';
import type { ByteStream } from '#core/std';
import { type Course, partOf } from './course.ts';
import { freshError } from './error.ts';

export type BodyOptions = {
  readonly start: number;
  readonly end: number;
  readonly signal?: AbortSignal | undefined;
  /** Called once, when nobody reads it any more. */
  readonly onEnd: () => void;
  /** Gets the bytes from `start` on another way, after the download failed; undefined: there is none. */
  readonly detour: (failure: unknown, start: number) => Promise<ByteStream> | undefined;
};

/**
 * The bytes `start` to `end` of a download, as they land. Nothing is queued: a piece is looked for when the reader asks
 * for it, in memory if it keeps up, else in the part. A reader that stands still costs nobody anything.
 */
export function followingBody(course: Course, options: BodyOptions): ByteStream {
  const cursor = createCursor(course, options);
  let isOpen = true;
  const end = () => {
    if (!isOpen) return;
    isOpen = false;
    options.signal?.removeEventListener('abort', end);
    options.onEnd();
  };
  // Whoever leaves before it reads takes no notice of its body.
  if (options.signal?.aborted) end();
  else options.signal?.addEventListener('abort', end, { once: true });
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const bytes = await cursor.next();
          if (bytes) controller.enqueue(bytes);
          if (bytes && !cursor.isAtEnd()) return;
          end();
          controller.close();
        } catch (thrown) {
          end();
          cursor.drop();
          controller.error(thrown);
        }
      },
      cancel() {
        end();
        cursor.drop();
      },
    },
    { highWaterMark: 0 },
  );
}

function createCursor(course: Course, { start, end, signal, detour }: BodyOptions) {
  let position = start;
  let detoured: Detoured | undefined;
  const give = (bytes: Uint8Array) => {
    position += bytes.byteLength;
    course.wasGiven = true;
    return bytes;
  };
  const afterFailure = async () => {
    const way = detour(course.failure, position);
    if (!way) throw freshError(course.failure);
    detoured = createDetoured(await way);
  };
  const reread = async (visible: number): Promise<Uint8Array | undefined> => {
    course.wasGiven = true;
    try {
      return give(await course.rereads.at(partOf(course), position, visible));
    } catch (thrown) {
      // With a failure the part is taken away from under its readers: that is looked at next.
      if (course.failure === undefined) throw thrown;
      return undefined;
    }
  };
  /** What can be had now; undefined: look again, something changed. */
  const step = async (): Promise<Uint8Array | undefined> => {
    if (detoured) return await detoured.next(() => position >= end, give);
    if (course.failure !== undefined) return await afterFailure().then(() => undefined);
    const visible = Math.min(end, course.visibleBytes);
    const near = course.tip.at(position, visible);
    if (near) return give(near);
    if (position < visible) return await reread(visible);
    await course.waiting.until(position, signal);
    return undefined;
  };
  const isAtEnd = () => {
    if (detoured) return detoured.isDone();
    return position >= end && (end !== course.sizeBytes || course.isRight);
  };
  return {
    isAtEnd,
    drop: () => detoured?.drop(),
    /** The next bytes; undefined at the end. */
    async next(): Promise<Uint8Array | undefined> {
      while (true) {
        signal?.throwIfAborted();
        if (isAtEnd()) return undefined;
        const bytes = await step();
        if (bytes) return bytes;
      }
    },
  };
}

type Detoured = ReturnType<typeof createDetoured>;

/** Another way has an end of its own, which is also where it lets go of its connection. */
function createDetoured(body: ByteStream) {
  const reader = body.getReader();
  let isDone = false;
  return {
    isDone: () => isDone,
    async next(isComplete: () => boolean, give: (bytes: Uint8Array) => Uint8Array): Promise<Uint8Array | undefined> {
      const { done, value } = await reader.read();
      if (!done) return give(value);
      if (!isComplete()) throw new RegistryError('UPSTREAM_UNAVAILABLE', 'a blob that was passed through ended early');
      isDone = true;
      return undefined;
    },
    drop() {
      reader.cancel().catch(() => {});
    },
  };
}
