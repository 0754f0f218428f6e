/** The newest bytes of a download, in memory: whoever keeps up reads them here and not from the disk. */
export type Tip = {
  /** Adds the bytes that follow, and forgets the oldest beyond `limitBytes`. */
  push(chunk: Uint8Array, limitBytes: number): void;
  /** A piece that begins at `start` and ends no later than `end`; undefined when it is not here. */
  at(start: number, end: number): Uint8Array | undefined;
  /** Forgets the oldest beyond `limitBytes`. */
  trim(limitBytes: number): void;
};

type Piece = { readonly start: number; readonly bytes: Uint8Array };

export function createTip(startBytes: number): Tip {
  let pieces: Piece[] = [];
  let endBytes = startBytes;
  const trim = (limitBytes: number) => {
    const from = endBytes - limitBytes;
    const keep = pieces.findIndex(({ start, bytes }) => start + bytes.byteLength > from);
    if (keep !== 0) pieces = keep < 0 ? [] : pieces.slice(keep);
  };
  return {
    push(chunk, limitBytes) {
      pieces.push({ start: endBytes, bytes: chunk });
      endBytes += chunk.byteLength;
      trim(limitBytes);
    },
    at(start, end) {
      const piece = pieceAt(pieces, start);
      if (!piece || end <= start) return undefined;
      const from = start - piece.start;
      const to = Math.min(end - piece.start, piece.bytes.byteLength);
      return from === 0 && to === piece.bytes.byteLength ? piece.bytes : piece.bytes.subarray(from, to);
    },
    trim,
  };
}

/** Looks from the newest on: most readers are there. */
function pieceAt(pieces: readonly Piece[], position: number): Piece | undefined {
  for (let index = pieces.length - 1; index >= 0; index--) {
    const piece = pieces[index];
    if (!piece || piece.start > position) continue;
    return position < piece.start + piece.bytes.byteLength ? piece : undefined;
  }
  return undefined;
}
