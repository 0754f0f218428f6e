import { closeSync, constants, fsync, openSync } from 'node:fs';
import { mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { systemCodeOf } from '#core/std';
import type { ReadFile, StoreFs, WriteFile } from './fs.ts';

/** Files are the store's alone: other users of the machine must not read private images. */
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

/** The disk itself. */
export function diskFs(): StoreFs {
  return {
    openFile,
    rename,
    unlink: (path) => unlessCode('ENOENT', unlink(path)),
    mkdir: (path) => unlessCode('EEXIST', mkdir(path, { mode: FOLDER_MODE })),
    fsyncDir,
    async stat(path) {
      const facts = await unlessAbsent(stat(path));
      return facts && { sizeBytes: facts.size, modifiedMs: facts.mtimeMs };
    },
    list: async (path) => (await unlessAbsent(readdir(path))) ?? [],
    read: (path, start = 0) => Bun.file(path).slice(start).stream(),
    openRead,
    blob: (path, { start, end }) => Bun.file(path).slice(start, end),
  };
}

/** The system has just looked the folder up: opening it waits for nothing, while a thread for it might be long in coming. */
async function fsyncDir(path: string): Promise<void> {
  const folder = openSync(path, 'r');
  try {
    await new Promise<void>((resolve, reject) => {
      fsync(folder, (error) => (error ? reject(error) : resolve()));
    });
  } finally {
    closeSync(folder);
  }
}

async function openRead(path: string): Promise<ReadFile> {
  const handle = await open(path, 'r');
  return {
    async read(position, sizeBytes) {
      const bytes = new Uint8Array(sizeBytes);
      let done = 0;
      while (done < sizeBytes) {
        const { bytesRead } = await handle.read(bytes, done, sizeBytes - done, position + done);
        if (bytesRead === 0) return bytes.subarray(0, done);
        done += bytesRead;
      }
      return bytes;
    },
    close: () => handle.close(),
  };
}

async function openFile(path: string): Promise<WriteFile> {
  // O_RDWR | O_CREAT without O_TRUNC has no letter of its own: 'r+' needs the file, 'a' ignores positions.
  const handle = await open(path, O_RDWR_CREAT, FILE_MODE);
  return {
    async write(parts, position) {
      let left = parts;
      let at = position;
      while (left.length > 0) {
        const { bytesWritten } = await handle.writev(left, at);
        at += bytesWritten;
        left = behind(left, bytesWritten);
      }
    },
    truncate: (sizeBytes) => handle.truncate(sizeBytes),
    datasync: () => handle.datasync(),
    close: () => handle.close(),
  };
}
const O_RDWR_CREAT = constants.O_RDWR | constants.O_CREAT;

/** What of the parts follows their first bytes. */
function behind(parts: readonly Uint8Array[], sizeBytes: number): Uint8Array[] {
  let skipped = sizeBytes;
  const left: Uint8Array[] = [];
  for (const part of parts) {
    if (skipped < part.byteLength) left.push(skipped === 0 ? part : part.subarray(skipped));
    skipped = Math.max(0, skipped - part.byteLength);
  }
  return left;
}

/** Whether the change was made; false for the one failure that means "it is so already". */
async function unlessCode(code: string, change: Promise<unknown>): Promise<boolean> {
  try {
    await change;
    return true;
  } catch (thrown) {
    if (systemCodeOf(thrown) === code) return false;
    throw thrown;
  }
}

async function unlessAbsent<T>(question: Promise<T>): Promise<T | undefined> {
  try {
    return await question;
  } catch (thrown) {
    if (systemCodeOf(thrown) === 'ENOENT') return undefined;
    throw thrown;
  }
}
