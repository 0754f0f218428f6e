import type { Part } from '#core/registry';
import { collectBytes } from '#core/std';

/** What is read back from the disk at a time: with two hundred readers apart from each other that is 25 MB. */
const BLOCK_BYTES = 128 * 1024;

/** Bytes read back from the disk for readers who have fallen behind. */
export type Rereads = {
  /** The bytes from `position` on, as many as one block has, and none beyond `end`. */
  at(part: Part, position: number, end: number): Promise<Uint8Array>;
  /** Forgets what was not asked for of late, beyond `limitBytes`. */
  trim(limitBytes: number): void;
};

export type RereadOptions = {
  /** How many bytes may be kept now. */
  readonly limitBytes: () => number;
  readonly onRead: (sizeBytes: number) => void;
};

type Block = { readonly end: number; readonly bytes: Promise<Uint8Array> };

/**
 * Readers of a herd fall behind together: what one of them reads back is kept for a moment for the others, who by that
 * catch up with it.
 */
export function createRereads({ limitBytes, onRead }: RereadOptions): Rereads {
  /** By where they begin; the last asked for stands last. */
  const blocks = new Map<number, Block>();
  const trim = (bytes: number) => {
    for (const start of blocks.keys()) {
      if (blocks.size * BLOCK_BYTES <= bytes) return;
      blocks.delete(start);
    }
  };
  const readBlock = (part: Part, start: number): Block => {
    const end = Math.min(start + BLOCK_BYTES, part.offset);
    onRead(end - start);
    const tooLong = () => new RangeError(`more than the ${end - start} bytes that were asked for`);
    const block = { end, bytes: collectBytes(part.read({ start, end }), end - start, tooLong) };
    block.bytes.catch(() => blocks.delete(start));
    return block;
  };
  return {
    trim,
    async at(part, position, end) {
      const start = position - (position % BLOCK_BYTES);
      const known = blocks.get(start);
      // The newest block was not yet whole when it was read.
      const block = known && known.end > position ? known : readBlock(part, start);
      blocks.delete(start);
      blocks.set(start, block);
      trim(limitBytes());
      return (await block.bytes).subarray(position - start, end - start);
    },
  };
}
