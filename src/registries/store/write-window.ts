import { freeChunk } from '#core/std';
import type { WriteFile } from './fs.ts';

/**
 * Bytes that may wait for the disk while more arrive: hides the latency of writes, and bounds the memory of a push.
 */
const WINDOW_BYTES = 2 * 1024 * 1024;
/**
 * So many bytes are worth a write: a socket brings 64 KiB at a time, and each write costs a change of threads and the
 * file's lock.
 */
const WRITE_BYTES = 512 * 1024;

/**
 * Writes of one file that follow each other: one is under way at most, since a second would only wait for the file's
 * lock and hold a thread; what arrives meanwhile is gathered for the next.
 * `settled` is the length up to which everything was written.
 */
export type WriteWindow = {
  /** Takes a chunk for the next position. To be waited for where the window is full; throws what an earlier write threw. */
  add(chunk: Uint8Array): Promise<void> | undefined;
  /** Waits for all. Throws what the first that failed threw. */
  drain(): Promise<void>;
  readonly settled: number;
};

export type WindowOptions = {
  readonly start: number;
  /** Whether a chunk that was written may be freed at once. */
  readonly freesChunks: boolean;
};

export function createWriteWindow(file: WriteFile, { start, freesChunks }: WindowOptions): WriteWindow {
  let gathered: Uint8Array[] = [];
  let gatheredBytes = 0;
  let settled = start;
  let writing: Promise<void> | undefined;

  const writeGathered = async () => {
    const parts = gathered;
    const end = settled + gatheredBytes;
    gathered = [];
    gatheredBytes = 0;
    await file.write(parts, settled);
    settled = end;
    if (freesChunks) for (const part of parts) freeChunk(part);
    writing = undefined;
    if (gatheredBytes >= WRITE_BYTES) startWrite();
  };
  const startWrite = () => {
    writing = writeGathered();
    // Its failure is met by whoever waits for it; nothing is written behind it.
    writing.catch(() => {});
  };
  return {
    add(chunk) {
      gathered.push(chunk);
      gatheredBytes += chunk.byteLength;
      if (writing === undefined && gatheredBytes >= WRITE_BYTES) startWrite();
      return gatheredBytes >= WINDOW_BYTES - WRITE_BYTES ? writing : undefined;
    },
    async drain() {
      while (writing !== undefined || gatheredBytes > 0) {
        if (writing === undefined) startWrite();
        await writing;
      }
    },
    get settled() {
      return settled;
    },
  };
}
