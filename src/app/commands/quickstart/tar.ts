/** One file of the sample image. */
export type TarFile = { readonly path: string; readonly mode: number; readonly bytes: Uint8Array };

const BLOCK_BYTES = 512;

/** A ustar archive with every time at zero, so that equal content has equal digests. Source: POSIX pax, "ustar". */
export function tarOf(files: readonly TarFile[]): Uint8Array {
  const blocks = files.flatMap((file) => [header(file), padded(file.bytes)]);
  const size = blocks.reduce((sum, block) => sum + block.length, 0);
  const archive = new Uint8Array(size + 2 * BLOCK_BYTES);
  let offset = 0;
  for (const block of blocks) {
    archive.set(block, offset);
    offset += block.length;
  }
  return archive;
}

function header(file: TarFile): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES);
  const put = (text: string, offset: number) => block.set(new TextEncoder().encode(text), offset);
  put(file.path, 0);
  put(octal(file.mode, 7), 100);
  put(octal(0, 7), 108);
  put(octal(0, 7), 116);
  put(octal(file.bytes.length, 11), 124);
  put(octal(0, 11), 136);
  put(' '.repeat(8), 148);
  put('0', 156);
  put('ustar\u000000', 257);
  put(
    `${octal(
      block.reduce((sum, byte) => sum + byte, 0),
      6,
    )}\u0000 `,
    148,
  );
  return block;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}

function padded(bytes: Uint8Array): Uint8Array {
  const block = new Uint8Array(Math.ceil(bytes.length / BLOCK_BYTES) * BLOCK_BYTES);
  block.set(bytes);
  return block;
}
