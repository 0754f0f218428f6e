import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import { AppError, messageOf } from '#core/std';
import type { LayoutFiles } from './files.ts';

/** A file of the archive is a piece of the archive's own bytes. Links stand for another entry. */
type Member =
  | { readonly kind: 'file'; readonly offset: number; readonly sizeBytes: number }
  | { readonly kind: 'link'; readonly target: string };

/** Entries of one archive: blobs, and some files around them. Others are refused before they fill the memory. */
const MAX_MEMBERS = 200_000;
/** Old `docker save` writes a layer once and links the next to it; real chains have one step. */
const MAX_LINKS = 8;
/** The header has it beside what the types know. */
type PlacedHeader = Header & { readonly byteOffset?: number };

/**
 * Files of a tar that is not compressed. It is read through once to learn where things are; afterwards each file is a
 * slice of the archive, so memory does not grow with its size. Throws ARCHIVE_INVALID.
 */
export async function tarFiles(path: string): Promise<LayoutFiles> {
  await refuseCompressed(path);
  const members = await indexTar(path);
  return {
    place: path,
    async find(name) {
      const member = follow(path, members, name);
      return member && Bun.file(path).slice(member.offset, member.offset + member.sizeBytes);
    },
  };
}

async function indexTar(path: string): Promise<Map<string, Member>> {
  const members = new Map<string, Member>();
  const parser = extract();
  parser.on('entry', (headers: PlacedHeader, body, next) => {
    // The parser fails with the same error, which is the one that is thrown.
    body.on('error', () => {});
    body.on('end', () => next());
    try {
      addMember(members, headers);
    } catch (thrown) {
      next(thrown instanceof Error ? thrown : new Error(messageOf(thrown)));
      return;
    }
    body.resume();
  });
  try {
    await pipeline(createReadStream(path, { highWaterMark: READ_BYTES }), parser);
  } catch (thrown) {
    throw archiveInvalid(path, messageOf(thrown), thrown);
  }
  return members;
}

/** Large reads: most of an archive is skipped over. */
const READ_BYTES = 1024 * 1024;

function addMember(members: Map<string, Member>, headers: PlacedHeader): void {
  const { type, size = 0, byteOffset } = headers;
  if (members.size >= MAX_MEMBERS) throw new Error(`it has more than ${MAX_MEMBERS} entries`);
  if (type === 'file' || type === 'contiguous-file') {
    if (byteOffset === undefined) throw new Error(`the place of ${headers.name} is not known`);
    members.set(safeName(headers.name, ''), { kind: 'file', offset: byteOffset, sizeBytes: size });
  } else if (type === 'symlink' || type === 'link') {
    const name = safeName(headers.name, '');
    // A symbolic link is read from where it stands, a hard link from the root.
    const base = type === 'symlink' ? name.slice(0, name.lastIndexOf('/') + 1) : '';
    members.set(name, { kind: 'link', target: safeName(headers.linkname ?? '', base) });
  }
}

/** A relative path with its dots worked out; one that leaves the archive is refused. */
function safeName(name: string, base: string): string {
  const segments: string[] = [];
  const outside = () => new Error(`the name "${name.slice(0, 120)}" leads out of the archive`);
  if (name.startsWith('/')) throw outside();
  for (const segment of `${base}${name}`.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment !== '..') segments.push(segment);
    else if (segments.pop() === undefined) throw outside();
  }
  return segments.join('/');
}

function follow(path: string, members: ReadonlyMap<string, Member>, name: string) {
  let member = members.get(name);
  for (let step = 0; member?.kind === 'link'; step++) {
    if (step >= MAX_LINKS) throw archiveInvalid(path, `${name} is a link to a link to a link …`);
    member = members.get(member.target);
  }
  return member;
}

const MAGIC = [
  { name: 'gzip', bytes: [0x1f, 0x8b] },
  { name: 'zstd', bytes: [0x28, 0xb5, 0x2f, 0xfd] },
  { name: 'xz', bytes: [0xfd, 0x37, 0x7a, 0x58] },
  { name: 'bzip2', bytes: [0x42, 0x5a, 0x68] },
] as const;

/** What some bytes are compressed with, by how they begin. */
export function compressionOf(start: Uint8Array): (typeof MAGIC)[number]['name'] | undefined {
  return MAGIC.find(({ bytes }) => bytes.every((byte, at) => start[at] === byte))?.name;
}

async function refuseCompressed(path: string): Promise<void> {
  const file = await openArchiveFile(path);
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(8), 0, 8, 0);
    const compression = compressionOf(buffer.subarray(0, bytesRead));
    if (!compression) return;
    throw new AppError('ARCHIVE_INVALID', `${path} is compressed with ${compression}`, {
      why: 'pieces of a compressed archive cannot be read in place',
      hint: `unpack it first: ${compression} -d`,
    });
  } finally {
    await file.close();
  }
}

async function openArchiveFile(path: string) {
  try {
    return await open(path, 'r');
  } catch (thrown) {
    throw new AppError('ARCHIVE_UNREADABLE', `${path} cannot be read`, { why: messageOf(thrown), cause: thrown });
  }
}

export function archiveInvalid(path: string, why: string, cause?: unknown): AppError {
  return new AppError('ARCHIVE_INVALID', `${path} is not an archive that can be read`, {
    why,
    hint: 'make it anew: with `docker save`, `skopeo copy … oci-archive:FILE` or `crane pull`',
    cause,
  });
}
