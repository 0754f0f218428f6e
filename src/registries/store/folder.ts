import { dirname, join } from 'node:path';
import { type FileLock, tryLockFile } from '#core/sql';
import { AppError, collectBytes, systemCodeOf } from '#core/std';
import type { StoreFs } from './fs.ts';
import { type Layout, layoutOf } from './layout.ts';

/** Raised when a release writes what earlier ones cannot read; every earlier number still opens. */
const FORMAT_VERSION = 1;
/** `entrepot store 1` and a line end: more is some other file. */
const MAX_FORMAT_BYTES = 256;

/**
 * A store's folder, taken for this process alone until `release` or the process's end, even by SIGKILL.
 * Commands take it when no server runs.
 */
export type StoreFolder = { readonly path: string; readonly layout: Layout; release(): void };

/** Makes (where missing), locks and checks a folder. Throws STORE_LOCKED, STORE_FORMAT, STORE_UNUSABLE. */
export async function openFolder(path: string, fs: StoreFs): Promise<StoreFolder> {
  const layout = layoutOf(path);
  await makeFolder(layout.folder, fs);
  const lock = lockFolder(path);
  try {
    await checkFormat(layout, fs);
    const { blobs, uploads, parts, trash, quarantine } = layout;
    for (const folder of [blobs, uploads, parts, trash, quarantine]) await fs.mkdir(folder);
    for (const algorithm of ['sha256', 'sha512']) await fs.mkdir(join(blobs, algorithm));
    for (const folder of [blobs, layout.folder]) await fs.fsyncDir(folder);
    return { path, layout, release: () => lock.release() };
  } catch (thrown) {
    lock.release();
    throw thrown instanceof AppError ? thrown : unusable(path, thrown);
  }
}

/** The lock alone, over a folder that exists. Throws STORE_LOCKED, STORE_UNUSABLE. */
export function lockFolder(path: string): FileLock {
  let lock: FileLock | undefined;
  try {
    lock = tryLockFile(layoutOf(path).lock);
  } catch (thrown) {
    throw unusable(path, thrown);
  }
  if (lock) return lock;
  throw new AppError('STORE_LOCKED', `the store in ${path} is in use by another process`, {
    why: 'one process writes a store at a time',
    hint: 'stop that process, or give this one another storage.path',
  });
}

async function makeFolder(path: string, fs: StoreFs): Promise<void> {
  try {
    // A power cut must not take the whole folder with what was acknowledged in it.
    if (await fs.mkdir(path)) await fs.fsyncDir(dirname(path));
  } catch (thrown) {
    throw unusable(path, thrown);
  }
}

function unusable(path: string, cause: unknown): AppError {
  return new AppError('STORE_UNUSABLE', `the store folder ${path} cannot be used`, {
    why: systemCodeOf(cause) ?? (cause instanceof Error ? cause.message : String(cause)),
    hint: 'create its parent folder, and let this user write there',
    cause,
  });
}

async function checkFormat(layout: Layout, fs: StoreFs): Promise<void> {
  const facts = await fs.stat(layout.format);
  if (!facts) return writeFormat(layout, fs);
  const text = facts.sizeBytes > MAX_FORMAT_BYTES ? '' : await textOf(layout.format, fs);
  const version = Number(/^entrepot store ([0-9]+)\n$/.exec(text)?.[1]);
  if (version >= 1 && version <= FORMAT_VERSION) return;
  throw new AppError('STORE_FORMAT', `the store in ${layout.folder} cannot be read by this program`, {
    why: Number.isNaN(version)
      ? `its file "format" is not one of ours`
      : `its format is ${version}, this program knows up to ${FORMAT_VERSION}`,
    hint: Number.isNaN(version) ? 'give another storage.path' : 'run the release that wrote it, or a newer one',
  });
}

async function textOf(path: string, fs: StoreFs): Promise<string> {
  const bytes = await collectBytes(fs.read(path), MAX_FORMAT_BYTES, () => new Error('the file "format" grew'));
  return new TextDecoder().decode(bytes);
}

/** Written aside and renamed: a crash leaves no half file, and an empty folder is simply a new store. */
async function writeFormat(layout: Layout, fs: StoreFs): Promise<void> {
  const aside = `${layout.format}.new`;
  const file = await fs.openFile(aside);
  try {
    await file.truncate(0);
    await file.write([new TextEncoder().encode(`entrepot store ${FORMAT_VERSION}\n`)], 0);
    await file.datasync();
  } finally {
    await file.close();
  }
  await fs.rename(aside, layout.format);
  await fs.fsyncDir(layout.folder);
}
