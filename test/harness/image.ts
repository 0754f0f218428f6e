import { createCipheriv, createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

/** A gzipped tar with one file of bytes that do not compress; the same for the same seed and size, everywhere. */
export type Layer = {
  readonly path: string;
  readonly digest: string;
  /** Digest of the tar inside. */
  readonly diffId: string;
  readonly sizeBytes: number;
};
export type LayerOptions = { readonly seed: string; readonly contentBytes: number };

export async function makeLayer(folder: string, options: LayerOptions): Promise<Layer> {
  const path = join(folder, `${options.seed}-${options.contentBytes}.tar.gz`);
  if (existsSync(`${path}.json`)) return { ...JSON.parse(readFileSync(`${path}.json`, 'utf8')), path };
  mkdirSync(folder, { recursive: true });
  const part = `${path}.${process.pid}.part`;
  const file = Bun.file(part).writer();
  const whole = createHash('sha256');
  const inner = createHash('sha256');
  let sizeBytes = 0;
  for (const piece of storedGzip(tarPieces(options), (bytes) => inner.update(bytes))) {
    whole.update(piece);
    sizeBytes += piece.length;
    file.write(piece);
    await file.flush();
  }
  await file.end();
  const layer = { digest: `sha256:${whole.digest('hex')}`, diffId: `sha256:${inner.digest('hex')}`, sizeBytes };
  renameSync(part, path);
  writeFileSync(`${path}.json`, JSON.stringify(layer));
  return { ...layer, path };
}

const pieceBytes = 1024 * 1024;

function* tarPieces(options: LayerOptions): Generator<Uint8Array> {
  yield tarHeader(`data/${options.seed}`, options.contentBytes);
  const key = createHash('sha256').update(options.seed).digest().subarray(0, 16);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  for (let left = options.contentBytes; left > 0; left -= pieceBytes) {
    yield cipher.update(Buffer.alloc(Math.min(pieceBytes, left)));
  }
  // The file is padded to a block, two empty blocks end the archive (POSIX.1-1988 ustar).
  yield Buffer.alloc(((512 - (options.contentBytes % 512)) % 512) + 1024);
}

function tarHeader(name: string, sizeBytes: number): Uint8Array {
  const header = Buffer.alloc(512);
  const octal = (value: number, length: number) => `${value.toString(8).padStart(length - 1, '0')}\0`;
  header.write(name, 0);
  header.write(octal(0o644, 8), 100);
  header.write(octal(0, 8), 108);
  header.write(octal(0, 8), 116);
  header.write(octal(sizeBytes, 12), 124);
  header.write(octal(0, 12), 136);
  header.write(' '.repeat(8), 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257, 'latin1');
  header.write(`${octal(sumOf(header), 7)} `, 148);
  return header;
}
const sumOf = (bytes: Uint8Array) => bytes.reduce((sum, byte) => sum + byte, 0);

// RFC 1951 section 3.2.4: a stored block holds at most this many bytes.
const storedMaxBytes = 65_535;

/** Gzip without compressing: the bytes do not shrink, and every zlib would write its own. RFC 1952. */
function* storedGzip(pieces: Iterable<Uint8Array>, saw: (bytes: Uint8Array) => void): Generator<Uint8Array> {
  yield Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
  let crc = 0;
  let length = 0;
  for (const piece of pieces) {
    saw(piece);
    crc = crc32(piece, crc);
    length += piece.length;
    yield storedBlocks(piece);
  }
  const end = Buffer.alloc(13);
  end.set([1, 0, 0, 0xff, 0xff]);
  end.writeUInt32LE(crc, 5);
  end.writeUInt32LE(length % 2 ** 32, 9);
  yield end;
}

function storedBlocks(piece: Uint8Array): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let at = 0; at < piece.length; at += storedMaxBytes) {
    const part = piece.subarray(at, at + storedMaxBytes);
    const head = Buffer.alloc(5);
    head.writeUInt16LE(part.length, 1);
    head.writeUInt16LE(part.length ^ 0xffff, 3);
    blocks.push(head, part);
  }
  return Buffer.concat(blocks);
}

export type Image = {
  readonly manifest: Uint8Array;
  readonly digest: string;
  readonly config: Uint8Array;
  readonly configDigest: string;
  readonly layers: readonly Layer[];
};

export const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const configType = 'application/vnd.oci.image.config.v1+json';
const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip';

export function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** An image of these layers; `label` makes two images of the same layers differ. */
export function makeImage(layers: readonly Layer[], label = ''): Image {
  const config = encode({
    architecture: 'amd64',
    os: 'linux',
    config: { Labels: { label } },
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
  });
  const configDigest = sha256(config);
  const manifest = encode({
    schemaVersion: 2,
    mediaType: manifestType,
    config: { mediaType: configType, digest: configDigest, size: config.length },
    layers: layers.map((layer) => ({ mediaType: layerType, digest: layer.digest, size: layer.sizeBytes })),
  });
  return { manifest, digest: sha256(manifest), config, configDigest, layers };
}
const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
