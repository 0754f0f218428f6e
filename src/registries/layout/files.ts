import { open, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { RegistryError } from '#core/oci';
import { AppError, messageOf, systemCodeOf } from '#core/std';

/** The files of a layout, wherever they are: a folder, or a tar. Paths are relative, with `/`. */
export type LayoutFiles = {
  /** As people know it, for errors. */
  readonly place: string;
  /** A file as a Blob over its bytes on disk, or undefined when there is none. */
  find(path: string): Promise<Blob | undefined>;
};

/** Files of a folder. Only regular files count: a link, a device or a folder in their place is not there. */
export function folderFiles(root: string): LayoutFiles {
  return {
    place: root,
    async find(path) {
      const full = join(root, path);
      const { isFile, sizeBytes } = await statOf(full);
      // The slice fixes the size: what is appended to the file later does not show.
      return isFile ? Bun.file(full).slice(0, sizeBytes) : undefined;
    },
  };
}

async function statOf(path: string): Promise<{ isFile: boolean; sizeBytes: number }> {
  try {
    const found = await stat(path);
    return { isFile: found.isFile(), sizeBytes: found.size };
  } catch (thrown) {
    if (isMissing(thrown)) return { isFile: false, sizeBytes: 0 };
    throw thrown;
  }
}

/** The whole of a small file. Throws LAYOUT_INVALID beyond `limitBytes`. */
export async function readSmall(files: LayoutFiles, path: string, limitBytes: number): Promise<Uint8Array | undefined> {
  const file = await files.find(path);
  if (!file) return undefined;
  if (file.size > limitBytes)
    throw layoutInvalid(files.place, `${path} has ${file.size} bytes, more than ${limitBytes}`);
  return new Uint8Array(await file.arrayBuffer());
}

export function layoutInvalid(place: string, why: string, cause?: unknown): AppError {
  return new AppError('LAYOUT_INVALID', `${place} is not a layout that can be read`, {
    why,
    hint: 'make it with `oras cp --to-oci-layout`, `skopeo copy … oci:DIR` or `docker save`',
    cause,
  });
}

/** Does some writing; a disk that is full is INSUFFICIENT_STORAGE. */
export async function storageErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const code = systemCodeOf(thrown);
    if (code !== 'ENOSPC' && code !== 'EDQUOT') throw thrown;
    throw new RegistryError('INSUFFICIENT_STORAGE', 'there is no room for what is pushed', {
      why: messageOf(thrown),
      hint: 'free space on the disk, then push again',
      cause: thrown,
    });
  }
}

/** Puts bytes in the place of a file at once: whoever looks, also after a crash, sees the old or the new. */
export async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    await storageErrors(async () => {
      await writeSynced(temporary, bytes);
      await moveInto(temporary, path);
    });
  } catch (thrown) {
    await removeFile(temporary);
    throw thrown;
  }
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A rename that is on disk when it returns. */
export async function moveInto(temporary: string, path: string): Promise<void> {
  await rename(temporary, path);
  await syncFolder(dirname(path));
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Whether there was a file to remove. */
export async function removeFile(path: string): Promise<boolean> {
  try {
    await unlink(path);
    return true;
  } catch (thrown) {
    if (isMissing(thrown)) return false;
    throw thrown;
  }
}

function isMissing(thrown: unknown): boolean {
  const code = systemCodeOf(thrown);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

export function parseJsonObject(
  files: LayoutFiles,
  path: string,
  bytes: Uint8Array,
): Readonly<Record<string, unknown>> {
  try {
    const json: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  } catch (thrown) {
    throw layoutInvalid(files.place, `${path} is not JSON: ${messageOf(thrown)}`, thrown);
  }
  throw layoutInvalid(files.place, `${path} is not a JSON object`);
}
