import { write, writeSync } from 'node:fs';
import { systemCodeOf } from '#core/std';

/** Where finished lines go. */
export type LineSink = {
  write(line: string): void;
  /** Writes what waits; afterwards everything that was logged is out. */
  flush(): Promise<void>;
};

/** A line waits at most so long: short enough to watch, long enough that 50,000 lines a second are 10 writes. */
const FLUSH_AFTER_MS = 100;
/** Or until so much waits: one pipe's worth. */
const FLUSH_AT_CHARACTERS = 64 * 1024;
/** A reader that stopped reading must not fill the memory: lines beyond this are dropped, and their number told. */
const MOST_WAITING_CHARACTERS = 16 * 1024 * 1024;

/** Lines gathered into few writes, none of which the serving thread waits for. */
export function bufferedSink(descriptor: number): LineSink {
  let waiting: string[] = [];
  let waitingCharacters = 0;
  let dropped = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let writing: Promise<void> | undefined;

  const take = (): Buffer => {
    if (dropped > 0)
      waiting.push(`{"level":"warn","message":"log lines dropped: the reader is too slow","lines":${dropped}}\n`);
    const bytes = Buffer.from(waiting.join(''));
    waiting = [];
    waitingCharacters = 0;
    dropped = 0;
    return bytes;
  };
  const drain = async () => {
    clearTimeout(timer);
    timer = undefined;
    while (waiting.length > 0) {
      const lines = waiting.length;
      // A log that has no room is no reason to stop serving; how much is missing is told once there is room again.
      if (!(await writeAll(descriptor, take()))) dropped += lines;
    }
  };
  const start = (): Promise<void> => {
    writing ??= drain().finally(() => {
      writing = undefined;
    });
    return writing;
  };
  return {
    write(line) {
      if (waitingCharacters > MOST_WAITING_CHARACTERS) {
        dropped += 1;
        return;
      }
      waiting.push(line);
      waitingCharacters += line.length;
      if (waitingCharacters >= FLUSH_AT_CHARACTERS) void start();
      else timer ??= setTimeout(() => void start(), FLUSH_AFTER_MS);
    },
    async flush() {
      await start();
      // What was written while the last write ran.
      if (waiting.length > 0) writeLast(descriptor, take());
    },
  };
}

/** False where lines were lost. */
async function writeAll(descriptor: number, bytes: Uint8Array): Promise<boolean> {
  let offset = 0;
  while (offset < bytes.byteLength) {
    try {
      offset += await writeSome(descriptor, bytes.subarray(offset));
    } catch (thrown) {
      const code = systemCodeOf(thrown);
      // Nobody reads any more: serving goes on without a log.
      if (code === 'EPIPE') return true;
      if (code === undefined) throw thrown;
      if (code !== 'EAGAIN') return false;
      await Bun.sleep(1);
    }
  }
  return true;
}

function writeSome(descriptor: number, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    write(descriptor, bytes, 0, bytes.byteLength, null, (error, count) => (error ? reject(error) : resolve(count)));
  });
}

function writeLast(descriptor: number, bytes: Uint8Array): void {
  try {
    writeSync(descriptor, bytes);
  } catch (thrown) {
    if (systemCodeOf(thrown) === undefined) throw thrown;
  }
}
