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

/** What is not durable yet. */
type Memory = {
  readonly contents: Map<string, Content>;
  undos: Undo[];
  /** A second name for a file that is about to lose its own. */
  keep(path: string): string | undefined;
};

/** The disk, remembering what of it is not durable. `stash` is a folder in the same file system. */
export function powerCutFs(stash: string, tail: 'cut' | 'zeros'): PowerCutFs {
  const kept = mkdtempSync(join(stash, 'kept-'));
  let keptCount = 0;
  const memory: Memory = {
    contents: new Map(),
    undos: [],
    keep(path) {
      if (!existsSync(path)) return undefined;
      const copy = join(kept, String(keptCount++));
      linkSync(path, copy);
      return copy;
    },
  };
  return {
    fs: rememberingFs(diskFs(), memory),
    cut() {
      for (const undo of memory.undos.reverse()) undo.revert();
      for (const [path, content] of memory.contents) loseTail(path, content, tail);
      rmSync(kept, { recursive: true, force: true });
    },
  };
}

function rememberingFs(disk: StoreFs, memory: Memory): StoreFs {
  return {
    ...disk,
    openFile: (path) => openRemembered(disk, memory, path),
    async rename(from, to) {
      const undo = undoOfRename(memory, from, to);
      await disk.rename(from, to);
      moveContent(memory, from, to);
      memory.undos.push(undo);
    },
    async unlink(path) {
      memory.undos.push(undoOfUnlink(memory, path));
      return await disk.unlink(path);
    },
    async mkdir(path) {
      const made = await disk.mkdir(path);
      const revert = () => rmSync(path, { recursive: true, force: true });
      if (made) memory.undos.push({ folder: dirname(path), revert });
      return made;
    },
    async fsyncDir(path) {
      await disk.fsyncDir(path);
      memory.undos = memory.undos.filter((undo) => undo.folder !== path);
    },
  };
}

async function openRemembered(disk: StoreFs, { contents, undos }: Memory, path: string): Promise<WriteFile> {
  const known = await disk.stat(path);
  if (!known) {
    undos.push({ folder: dirname(path), revert: () => rmSync(path, { force: true }) });
    contents.delete(path);
  }
  const content = contents.get(path) ?? { durableBytes: known?.sizeBytes ?? 0 };
  contents.set(path, content);
  return durableFile(await disk.openFile(path), content, () => statSync(pathOf(contents, content) ?? path).size);
}

function undoOfRename(memory: Memory, from: string, to: string): Undo {
  const replaced = memory.keep(to);
  const replacedContent = memory.contents.get(to);
  return {
    folder: dirname(to),
    revert() {
      if (!existsSync(to)) return;
      renameSync(to, from);
      moveContent(memory, to, from);
      if (replaced) renameSync(replaced, to);
      if (replacedContent) memory.contents.set(to, replacedContent);
    },
  };
}

function undoOfUnlink({ contents, keep }: Memory, path: string): Undo {
  const copy = keep(path);
  const content = contents.get(path);
  contents.delete(path);
  return {
    folder: dirname(path),
    revert() {
      if (copy) renameSync(copy, path);
      if (content) contents.set(path, content);
    },
  };
}

function moveContent({ contents }: Memory, from: string, to: string): void {
  const content = contents.get(from);
  contents.delete(from);
  contents.delete(to);
  if (content) contents.set(to, content);
}

function pathOf(contents: ReadonlyMap<string, Content>, wanted: Content): string | undefined {
  for (const [path, content] of contents) if (content === wanted) return path;
  return undefined;
}

function durableFile(file: WriteFile, content: Content, sizeNow: () => number): WriteFile {
  return {
    write: (parts, position) => file.write(parts, position),
    truncate: (sizeBytes) => file.truncate(sizeBytes),
    async datasync() {
      // What is written meanwhile may not be on disk yet.
      const sizeBytes = sizeNow();
      await file.datasync();
      content.durableBytes = sizeBytes;
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
