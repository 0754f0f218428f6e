/** What bodies are everywhere in the program: bytes in memory, or a stream of them. */
export type ByteStream = ReadableStream<Uint8Array>;
export type ByteSource = ByteStream | Uint8Array;

const FREEABLE = Symbol('whoever reads these chunks may free them');

/**
 * Says that nobody but the reader holds a stream's chunks, so that they may be given back to `freeChunk`.
 * Without it they wait for the collector, which does not hurry: 100 MB of them were seen.
 */
export function withFreeableChunks(stream: ByteStream): ByteStream {
  return Object.assign(stream, { [FREEABLE]: true });
}

export function hasFreeableChunks(source: ByteSource): boolean {
  return FREEABLE in source;
}

/** Gives a chunk's memory back now; it has no bytes any more. A view of a larger buffer is left alone. */
export function freeChunk({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}

/** The chunks of a source in order. Leaving the loop early cancels the stream. */
export async function* chunksOf(source: ByteSource): AsyncGenerator<Uint8Array> {
  if (source instanceof Uint8Array) {
    if (source.byteLength > 0) yield source;
    return;
  }
  const reader = source.getReader();
  let finished = false;
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) {
        finished = true;
        return;
      }
      if (value.byteLength > 0) yield value;
    }
  } finally {
    if (!finished) await reader.cancel().catch(() => {});
    reader.releaseLock();
  }
}

/** A source as a stream. */
export function streamOf(source: ByteSource): ByteStream {
  if (!(source instanceof Uint8Array)) return source;
  return new ReadableStream({
    start(controller) {
      if (source.byteLength > 0) controller.enqueue(source);
      controller.close();
    },
  });
}

/** A stream fed by a generator, pulled one chunk at a time. */
export function streamFrom(chunks: AsyncGenerator<Uint8Array>): ByteStream {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await chunks.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

/**
 * The whole of a source in memory, which must hold no more than `limitBytes`.
 * Throws what `tooLarge` makes once the limit is passed, without reading on.
 */
export async function collectBytes(source: ByteSource, limitBytes: number, tooLarge: () => Error): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of chunksOf(source)) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > limitBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return joinBytes(chunks, sizeBytes);
}

function joinBytes(chunks: readonly Uint8Array[], sizeBytes: number): Uint8Array {
  const [first] = chunks;
  if (chunks.length === 1 && first) return first;
  const joined = new Uint8Array(sizeBytes);
  let offset = 0;
  for (const chunk of chunks) {
    joined.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return joined;
}
