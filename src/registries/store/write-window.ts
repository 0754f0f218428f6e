import { freeChunk } from '#core/std';
import type { WriteFile } from './fs.ts';

/**
 * Bytes on their way to the disk while more arrive: hides the latency of writes. With 512 KiB a push of 10 MB blobs,
 * four at once, was a tenth slower; with 2 MiB a push of 1 GiB peaks 10 MB higher, since what is written is freed.
 */
const WINDOW_BYTES = 2 * 1024 * 1024;

/**
 * Writes of one file that follow each other without waiting for each to end.
 * `settled` is the length up to which everything was written.
 */
export type WriteWindow = {
  /** Takes a chunk for the next position; waits only when the window is full. Throws what an earlier write threw. */
  add(chunk: Uint8Array): Promise<void>;
  /** Waits for all. Throws what the first that failed threw. */
  drain(): Promise<void>;
  readonly settled: number;
};

type Pending = { readonly end: number; readonly chunk: Uint8Array; readonly written: Promise<unknown> };

export type WindowOptions = {
  readonly start: number;
  /** Whether a chunk that was written may be freed at once. */
  readonly freesChunks: boolean;
};

export function createWriteWindow(file: WriteFile, { start, freesChunks }: WindowOptions): WriteWindow {
  const pending: Pending[] = [];
  let position = start;
  let settled = start;
  let waitingBytes = 0;

  const settleOldest = async (oldest: Pending) => {
    await oldest.written;
    pending.shift();
    waitingBytes -= oldest.chunk.byteLength;
    settled = oldest.end;
    if (freesChunks) freeChunk(oldest.chunk);
  };
  const drain = async () => {
    for (let oldest = pending[0]; oldest; oldest = pending[0]) await settleOldest(oldest);
  };
  return {
    async add(chunk) {
      const written = file.write(chunk, position);
      // Its failure is met in order, by whoever waits for it.
      written.catch(() => {});
      position += chunk.byteLength;
      waitingBytes += chunk.byteLength;
      pending.push({ end: position, chunk, written });
      for (let oldest = pending[0]; oldest && waitingBytes > WINDOW_BYTES; oldest = pending[0]) {
        await settleOldest(oldest);
      }
    },
    drain,
    get settled() {
      return settled;
    },
  };
}
