import { existsSync, linkSync, mkdtempSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { diskFs } from '../disk-fs.ts';
import type { StoreFs, WriteFile } from '../fs.ts';

/** A change of names in a folder that a power cut would undo, because the folder was not fsynced since. */
type Undo = { readonly folder: string; revert(): void };
type Content = { durableBytes: number };

export type PowerCutFs = {
  readonly fs: StoreFs;
  /**
   * What a power cut leaves: names as of each folder's last fsync, content as of each file's last datasync;
   * behind it nothing (`cut`) or zeros up to the length that the file had (`zeros`, as file systems do that
   * write lengths before data). Nothing may use `fs` any more.
   */
  cut(): void;
};

/** The disk, remembering what of it is not durable. `stash` is a folder in the same file system. */
export function powerCutFs(stash: string, tail: 'cut' | 'zeros'): PowerCutFs {
  const disk = diskFs();
  const kept = mkdtempSync(join(stash, 'kept-'));
  const contents = new Map<string, Content>();
  let undos: Undo[] = [];
  let keptCount = 0;

  /** A second name for a file that is about to lose its own. */
  const keep = (path: string): string | undefined => {
    if (!existsSync(path)) return undefined;
    const copy = join(kept, String(keptCount++));
    linkSync(path, copy);
    return copy;
  };
  const move = (from: string, to: string) => {
    const content = contents.get(from);
    contents.delete(from);
    contents.delete(to);
    if (content) contents.set(to, content);
  };
  const fs: StoreFs = {
    ...disk,
    async openFile(path) {
      const known = await disk.stat(path);
      if (!known) undos.push({ folder: dirname(path), revert: () => rmSync(path, { force: true }) });
      if (!known) contents.delete(path);
      const content = contents.get(path) ?? { durableBytes: known?.sizeBytes ?? 0 };
      contents.set(path, content);
      return durableFile(await disk.openFile(path), content, () => statSync(pathOf(contents, content) ?? path).size);
    },
    async rename(from, to) {
      const replaced = keep(to);
      const replacedContent = contents.get(to);
      await disk.rename(from, to);
      move(from, to);
      undos.push({
        folder: dirname(to),
        revert() {
          if (!existsSync(to)) return;
          renameSync(to, from);
          move(to, from);
          if (replaced) renameSync(replaced, to);
          if (replacedContent) contents.set(to, replacedContent);
        },
      });
    },
    async unlink(path) {
      const copy = keep(path);
      const content = contents.get(path);
      contents.delete(path);
      const revert = () => {
        if (copy) renameSync(copy, path);
        if (content) contents.set(path, content);
      };
      undos.push({ folder: dirname(path), revert });
      return await disk.unlink(path);
    },
    async mkdir(path) {
      const made = await disk.mkdir(path);
      if (made) undos.push({ folder: dirname(path), revert: () => rmSync(path, { recursive: true, force: true }) });
      return made;
    },
    async fsyncDir(path) {
      await disk.fsyncDir(path);
      undos = undos.filter((undo) => undo.folder !== path);
    },
  };
  return {
    fs,
    cut() {
      for (const undo of undos.reverse()) undo.revert();
      for (const [path, content] of contents) loseTail(path, content, tail);
      rmSync(kept, { recursive: true, force: true });
    },
  };
}

function pathOf(contents: ReadonlyMap<string, Content>, wanted: Content): string | undefined {
  for (const [path, content] of contents) if (content === wanted) return path;
  return undefined;
}

function durableFile(file: WriteFile, content: Content, sizeNow: () => number): WriteFile {
  return {
    write: (bytes, position) => file.write(bytes, position),
    truncate: (sizeBytes) => file.truncate(sizeBytes),
    async datasync() {
      await file.datasync();
      content.durableBytes = sizeNow();
    },
    close: () => file.close(),
  };
}

function loseTail(path: string, { durableBytes }: Content, tail: 'cut' | 'zeros'): void {
  if (!existsSync(path)) return;
  const sizeBytes = statSync(path).size;
  if (sizeBytes <= durableBytes) return;
  truncateSync(path, durableBytes);
  if (tail === 'zeros') truncateSync(path, sizeBytes);
}
