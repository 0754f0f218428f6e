import { type Digest, RegistryError } from '#core/oci';
import { type ByteStream, streamFrom } from '#core/std';
import type { StoreContext } from './context.ts';
import type { ReadFile, WriteFile } from './fs.ts';
import { createWriteWindow } from './write-window.ts';

/** Read at a time for one reader: two hundred of them hold 25 MB, and a read of less costs more than it brings. */
const READ_BYTES = 128 * 1024;

/** A part's file while somebody holds it. `path` changes with each checkpoint: it says how much is on disk for good. */
export type PartFile = {
  readonly digest: Digest;
  readonly file: WriteFile;
  readonly reader: ReadFile;
  path: string;
  durableBytes: number;
};

export type PartBytes = {
  /** Bytes that can be read. */
  readonly offset: number;
  /** To be waited for where the disk is behind. Throws what a write before threw. */
  append(chunk: Uint8Array): Promise<void> | undefined;
  read(range: { readonly start: number; readonly end: number }): ByteStream;
  /** Writes what is not written. */
  drain(): Promise<void>;
  /** Puts on disk what is written, and says so in the file's name. */
  checkpoint(): Promise<void>;
  /** Closes the file; readers read on. */
  end(): Promise<void>;
};

type Chunk = { readonly start: number; readonly bytes: Uint8Array };

/** Takes bytes faster than the disk, within the window of writes; whoever reads the newest reads them in memory. */
export function createPartBytes(context: StoreContext, part: PartFile): PartBytes {
  const { file, durableBytes: start } = part;
  const window = createWriteWindow(file, { start, freesChunks: false });
  const readers = createReaders(context, part);
  let unwritten: Chunk[] = [];
  let offset = start;
  let syncing: Promise<void> | undefined;
  let failure: unknown;

  const forgetWritten = () => {
    const first = unwritten.findIndex(({ start, bytes }) => start + bytes.byteLength > window.settled);
    if (first !== 0) unwritten = first < 0 ? [] : unwritten.slice(first);
  };
  const inMemory = (position: number, end: number): Uint8Array | undefined => {
    const chunk = unwritten.findLast((each) => each.start <= position);
    const bytes = chunk?.bytes.subarray(position - chunk.start, end - chunk.start);
    return bytes && bytes.byteLength > 0 ? bytes : undefined;
  };
  const startCheckpoint = () => {
    syncing = checkpoint(context, part, window.settled).then(
      () => {
        syncing = undefined;
      },
      (thrown: unknown) => {
        failure = thrown;
      },
    );
    return syncing;
  };
  return {
    get offset() {
      return offset;
    },
    append(chunk) {
      if (failure !== undefined) throw failure;
      unwritten.push({ start: offset, bytes: chunk });
      offset += chunk.byteLength;
      const full = window.add(chunk);
      forgetWritten();
      if (!syncing && window.settled - part.durableBytes >= context.limits.partSyncBytes) void startCheckpoint();
      return full;
    },
    read: ({ start, end }) => readers.stream({ start, end, inMemory }),
    async drain() {
      await window.drain().finally(forgetWritten);
      await syncing;
      if (failure !== undefined) throw failure;
    },
    async checkpoint() {
      await syncing;
      if (failure === undefined && window.settled > part.durableBytes) await startCheckpoint();
      if (failure !== undefined) throw failure;
    },
    async end() {
      // Closing a file under a write would let the write go elsewhere.
      await Promise.allSettled([window.drain(), syncing]);
      await file.close();
      await readers.end();
    },
  };
}

/** Names are not fsynced: after a power cut a file has this name or an earlier one, which says less. */
async function checkpoint({ fs, layout }: StoreContext, part: PartFile, writtenBytes: number): Promise<void> {
  await part.file.datasync();
  const path = layout.part(part.digest, writtenBytes);
  await fs.rename(part.path, path);
  part.path = path;
  part.durableBytes = writtenBytes;
}

type Range = {
  readonly start: number;
  readonly end: number;
  /** A piece from a position on that the file does not have yet. */
  inMemory(position: number, end: number): Uint8Array | undefined;
};

/** All readers share one open file, which nothing takes from them: no rename, no eviction. */
function createReaders({ fs, layout }: StoreContext, { digest, reader }: PartFile) {
  let opened: Promise<ReadFile> | undefined = Promise.resolve(reader);
  let isEnded = false;
  let active = 0;
  const closeUnused = async () => {
    if (!isEnded || active > 0 || !opened) return;
    const unused = opened;
    opened = undefined;
    await (await unused).close();
  };
  async function* chunks({ start, end, inMemory }: Range): AsyncGenerator<Uint8Array> {
    active++;
    try {
      opened ??= fs.openRead(layout.blob(digest));
      const file = await opened;
      for (let at = start; at < end; ) {
        const bytes = inMemory(at, end) ?? (await file.read(at, Math.min(READ_BYTES, end - at)));
        if (bytes.byteLength === 0) throw bytesLost(digest);
        at += bytes.byteLength;
        yield bytes;
      }
    } finally {
      active--;
      await closeUnused();
    }
  }
  return {
    stream: (range: Range) => streamFrom(chunks(range)),
    async end() {
      isEnded = true;
      await closeUnused();
    },
  };
}

function bytesLost(digest: Digest): RegistryError {
  return new RegistryError('INTERNAL', `the file of ${digest} has lost bytes that were received`);
}
