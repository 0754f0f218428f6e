import { type ByteSource, type ByteStream, chunksOf } from '#core/std';

/**
 * A body cut into pieces of `chunkBytes`; only the last is shorter.
 * A piece is good until the next is asked for: they share memory.
 */
export async function* piecesOf(
  body: ByteSource,
  chunkBytes: number,
): AsyncGenerator<{ bytes: Uint8Array; isLast: boolean }> {
  let held = new Uint8Array(0);
  let filled = 0;
  for await (const chunk of chunksOf(body)) {
    let rest = chunk;
    while (rest.byteLength > 0) {
      // A full piece waits until more comes: only then is it known not to be the last.
      if (filled === chunkBytes) {
        yield { bytes: held.subarray(0, filled), isLast: false };
        filled = 0;
      }
      const taken = rest.subarray(0, chunkBytes - filled);
      held = grown(held, { filled, needed: filled + taken.byteLength, limit: chunkBytes });
      held.set(taken, filled);
      filled += taken.byteLength;
      rest = rest.subarray(taken.byteLength);
    }
  }
  yield { bytes: held.subarray(0, filled), isLast: true };
}

type Growth = { readonly filled: number; readonly needed: number; readonly limit: number };

/** Doubles, so that a small body takes little and a large one is copied seldom. */
function grown(held: Uint8Array<ArrayBuffer>, { filled, needed, limit }: Growth): Uint8Array<ArrayBuffer> {
  if (held.byteLength >= needed) return held;
  const next = new Uint8Array(Math.min(limit, Math.max(needed, held.byteLength * 2)));
  next.set(held.subarray(0, filled));
  return next;
}

/** Lets go of a stream that nobody will read. */
export async function release(body: ByteSource, reason: unknown): Promise<void> {
  if (body instanceof Uint8Array || body.locked) return;
  await (body as ByteStream).cancel(reason).catch(() => {});
}
