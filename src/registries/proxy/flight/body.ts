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

/** A laggard reads the part in steps of this length, and looks after each whether it has caught up. */
const LAGGARD_STEP_BYTES = 4 * 1024 * 1024;

/**
 * The bytes `start` to `end` of a download, as they land. Nothing is queued: a piece is looked for when the reader asks
 * for it, in memory if it keeps up, else in the part. A reader that stands still costs nobody anything.
 */
export function followingBody(course: Course, options: BodyOptions): ByteStream {
  const cursor = createCursor(course, options);
  let isOpen = true;
  const end = () => {
    if (isOpen) options.onEnd();
    isOpen = false;
  };
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

const readerOf = (stream: ByteStream) => stream.getReader();

function createCursor(course: Course, { start, end, signal, detour }: BodyOptions) {
  let position = start;
  /** What the bytes are read from when not from memory: the part, or the detour. */
  let other: ReturnType<typeof readerOf> | undefined;
  let isDetour = false;
  let isDetourDone = false;
  const isAtEnd = () => {
    if (isDetour) return isDetourDone;
    return position >= end && (end !== course.sizeBytes || course.isVerified);
  };
  const give = (bytes: Uint8Array) => {
    position += bytes.byteLength;
    course.wasGiven = true;
    return bytes;
  };
  const drop = () => {
    other?.cancel().catch(() => {});
    other = undefined;
  };
  const fromOther = async (): Promise<Uint8Array | undefined> => {
    const piece = await other?.read();
    if (piece?.value) return give(piece.value);
    other = undefined;
    // Another way has an end of its own, which is also where it lets go of its connection.
    isDetourDone = isDetour;
    if (isDetour && position < end) throw freshError(course.failure);
    return undefined;
  };
  const afterFailure = async () => {
    drop();
    const way = detour(course.failure, position);
    if (!way) throw freshError(course.failure);
    isDetour = true;
    other = readerOf(await way);
  };
  /** What can be had now; undefined: look again, something changed. */
  const step = async (): Promise<Uint8Array | undefined> => {
    if (course.failure !== undefined && !isDetour) await afterFailure();
    if (other) return await fromOther();
    const visible = Math.min(end, course.visibleBytes);
    const near = course.tip.at(position, visible);
    if (near) return give(near);
    if (position < visible) {
      course.wasGiven = true;
      const stepEnd = Math.min(visible, position + LAGGARD_STEP_BYTES);
      other = readerOf(partOf(course).read({ start: position, end: stepEnd }));
    } else {
      await course.waiting.until(position, signal);
    }
    return undefined;
  };
  return {
    isAtEnd,
    drop,
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
