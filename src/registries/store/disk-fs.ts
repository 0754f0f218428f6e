import { constants } from 'node:fs';
import { mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { systemCodeOf } from '#core/std';
import type { StoreFs, WriteFile } from './fs.ts';

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
    async fsyncDir(path) {
      const folder = await open(path, 'r');
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    },
    async stat(path) {
      const facts = await unlessAbsent(stat(path));
      return facts && { sizeBytes: facts.size, modifiedMs: facts.mtimeMs };
    },
    list: async (path) => (await unlessAbsent(readdir(path))) ?? [],
    read: (path, start = 0) => Bun.file(path).slice(start).stream(),
    blob: (path, { start, end }) => Bun.file(path).slice(start, end),
  };
}

async function openFile(path: string): Promise<WriteFile> {
  // O_RDWR | O_CREAT without O_TRUNC has no letter of its own: 'r+' needs the file, 'a' ignores positions.
  const handle = await open(path, O_RDWR_CREAT, FILE_MODE);
  return {
    async write(bytes, position) {
      let done = 0;
      while (done < bytes.byteLength) {
        const { bytesWritten } = await handle.write(bytes, done, bytes.byteLength - done, position + done);
        done += bytesWritten;
      }
    },
    truncate: (sizeBytes) => handle.truncate(sizeBytes),
    datasync: () => handle.datasync(),
    close: () => handle.close(),
  };
}
const O_RDWR_CREAT = constants.O_RDWR | constants.O_CREAT;

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
