import type { ByteStream } from '#core/std';

/** A file being written. Positions are bytes from its start. */
export interface WriteFile {
  /** Writes the parts one behind the other. */
  write(parts: readonly Uint8Array[], position: number): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  /** The content is on disk when this resolves; the file's name may not be: that is `fsyncDir`. */
  datasync(): Promise<void>;
  close(): Promise<void>;
}

/** A file being read. What it holds stays readable when the file is renamed, removed or longer meanwhile. */
export interface ReadFile {
  /** Bytes from a position: as many as asked for, fewer only where the file ends. */
  read(position: number, sizeBytes: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

export type FileFacts = { readonly sizeBytes: number; readonly modifiedMs: number };

/**
 * All that the store asks of a disk. Small, so that tests can stand in for one that is full, that loses power,
 * or that is killed between any two of these calls. Paths are absolute. Errors carry the system's `code`.
 */
export type StoreFs = FsChanges & FsReads;

/** Each of these is a write point of the fault campaign. */
interface FsChanges {
  /** Opens for writing, created when absent, never truncated. */
  openFile(path: string): Promise<WriteFile>;
  /** Replaces what has the new name. Both names are in one file system. */
  rename(from: string, to: string): Promise<void>;
  /** False when there was nothing of that name. */
  unlink(path: string): Promise<boolean>;
  /** False when the folder was there. Its parent must exist. */
  mkdir(path: string): Promise<boolean>;
  /** Names made, changed and removed in this folder are on disk when this resolves. */
  fsyncDir(path: string): Promise<void>;
}

interface FsReads {
  stat(path: string): Promise<FileFacts | undefined>;
  /** Names in a folder; none when there is no folder. */
  list(path: string): Promise<string[]>;
  read(path: string, start?: number): ByteStream;
  openRead(path: string): Promise<ReadFile>;
  /** The file as a body that the kernel can send; the file is opened when the body is read. */
  blob(path: string, range: { readonly start: number; readonly end: number }): Blob;
}
