import { algorithmOf, createHasher, type Digest, type DigestHasher, RegistryError } from '#core/oci';
import { type AppendOptions, type Call, sizeMismatch } from '#core/registry';
import { type ByteSource, chunksOf, hasFreeableChunks } from '#core/std';
import type { StoreContext } from './context.ts';
import type { WriteFile } from './fs.ts';
import type { Session } from './session.ts';
import { createWriteWindow } from './write-window.ts';

/** Adds a body to an upload's file while hashing it: one pass, one chunk in memory. */
export async function receive(
  context: StoreContext,
  { session, file }: { readonly session: Session; readonly file: WriteFile },
  { body, start, size }: AppendOptions & { readonly body: ByteSource },
  call: Call,
): Promise<void> {
  checkStart(session.offset, start);
  const hasher = await hasherOf(context, session);
  const limits = { sizeBytes: size, before: session.offset, blobBytes: context.limits.blobBytes, signal: call.signal };
  const receivedBytes = await writeChunks(session, { file, hasher, limits }, body);
  if (size !== undefined && receivedBytes !== size) throw sizeMismatch(size, receivedBytes);
}

type Limits = {
  /** What was announced. */
  readonly sizeBytes: number | undefined;
  /** What the upload had before, and what the whole may have. */
  readonly before: number;
  readonly blobBytes: number;
  readonly signal: AbortSignal | undefined;
};

/** Throws what speaks against taking more of a body. */
function checkReceived(receivedBytes: number, { sizeBytes, before, blobBytes, signal }: Limits): void {
  signal?.throwIfAborted();
  if (sizeBytes !== undefined && receivedBytes > sizeBytes) throw sizeMismatch(sizeBytes, receivedBytes);
  if (before + receivedBytes > blobBytes) throw blobTooLarge(blobBytes);
}

/** The digest of what was received, in the algorithm that a commit asks for. */
export async function digestOfSession(context: StoreContext, session: Session, wanted: Digest): Promise<Digest> {
  const algorithm = algorithmOf(wanted);
  if (algorithm === session.algorithm) return (await hasherOf(context, session)).digest();
  const hasher = createHasher(algorithm);
  await hashPrefix(context, session, hasher);
  return hasher.digest();
}

type Sink = { readonly file: WriteFile; readonly hasher: DigestHasher; readonly limits: Limits };

/**
 * The disk writes chunks while the processor hashes the next. Whatever ends the body, `offset` is then the length
 * up to which all bytes are in the file, and the hasher is kept only if it has seen exactly those.
 */
async function writeChunks(session: Session, { file, hasher, limits }: Sink, body: ByteSource): Promise<number> {
  const before = session.offset;
  const window = createWriteWindow(file, { start: before, freesChunks: hasFreeableChunks(body) });
  let hashedTo = before;
  session.hasher = undefined;
  try {
    for await (const chunk of chunksOf(body)) {
      checkReceived(hashedTo - before + chunk.byteLength, limits);
      const full = window.add(chunk);
      hashedTo += chunk.byteLength;
      hasher.update(chunk);
      // From here on the chunk may have been freed.
      if (full !== undefined) await full;
    }
  } finally {
    await window.drain().finally(() => {
      session.offset = window.settled;
      if (window.settled === hashedTo) session.hasher = hasher;
      else session.torn = true;
    });
  }
  return session.offset - before;
}

/** Hash states cannot be saved: after a restart or a failed write the bytes on disk are hashed again. */
async function hasherOf(context: StoreContext, session: Session): Promise<DigestHasher> {
  if (session.hasher) return session.hasher;
  const hasher = createHasher(session.algorithm);
  await hashPrefix(context, session, hasher);
  session.hasher = hasher;
  return hasher;
}

async function hashPrefix(context: StoreContext, session: Session, hasher: DigestHasher): Promise<void> {
  let left = session.offset;
  if (left === 0) return;
  for await (const chunk of chunksOf(context.fs.read(context.layout.upload(session.id)))) {
    const part = chunk.byteLength > left ? chunk.subarray(0, left) : chunk;
    hasher.update(part);
    left -= part.byteLength;
    if (left === 0) return;
  }
  throw new RegistryError('BLOB_UPLOAD_INVALID', 'the upload lost bytes that were received', {
    hint: 'begin a new upload',
  });
}

function checkStart(offset: number, start: number | undefined): void {
  if (start === undefined || start === offset) return;
  throw new RegistryError('RANGE_INVALID', `bytes from ${start} do not follow the ${offset} received`, {
    detail: { offset },
    hint: 'ask for the upload’s offset and go on from there',
  });
}

export function blobTooLarge(limitBytes: number): RegistryError {
  return new RegistryError('BLOB_TOO_LARGE', `a blob may have ${limitBytes} bytes at most`);
}
