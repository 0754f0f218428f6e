import { relative, sep } from 'node:path';
import type { StoreFs, WriteFile } from '../fs.ts';

/** Told before and after each change on disk; may throw, wait, or end the process. */
export type WritePoint = (name: string) => void | Promise<void>;

/**
 * Names every change that a store makes on disk: `fs:<act>:<place>:before` and `:after`.
 * Acts: open, write, truncate, datasync, rename, unlink, mkdir, fsync-dir. Places: the first part of the path in the
 * store's folder (`uploads`, `parts`, `blobs`, `trash`, `quarantine`, `format.new`, `format`), of a rename where it goes to, or `folder`.
 */
export function withWritePoints(fs: StoreFs, folder: string, point: WritePoint): StoreFs {
  const around = async <T>(act: string, path: string, work: () => Promise<T>): Promise<T> => {
    const name = `fs:${act}:${relative(folder, path).split(sep)[0] || 'folder'}`;
    await point(`${name}:before`);
    const result = await work();
    await point(`${name}:after`);
    return result;
  };
  return {
    ...fs,
    openFile: async (path) => {
      let opened: WriteFile | undefined;
      const open = async () => {
        opened = await fs.openFile(path);
        return opened;
      };
      const file = await around('open', path, open).catch(async (thrown: unknown) => {
        await opened?.close();
        throw thrown;
      });
      return withFilePoints(file, (act, work) => around(act, path, work));
    },
    rename: (from, to) => around('rename', to, () => fs.rename(from, to)),
    unlink: (path) => around('unlink', path, () => fs.unlink(path)),
    mkdir: (path) => around('mkdir', path, () => fs.mkdir(path)),
    fsyncDir: (path) => around('fsync-dir', path, () => fs.fsyncDir(path)),
  };
}

function withFilePoints(file: WriteFile, around: (act: string, work: () => Promise<void>) => Promise<void>): WriteFile {
  return {
    write: (parts, position) => around('write', () => file.write(parts, position)),
    truncate: (sizeBytes) => around('truncate', () => file.truncate(sizeBytes)),
    datasync: () => around('datasync', () => file.datasync()),
    close: () => file.close(),
  };
}
