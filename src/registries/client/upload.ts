import {
  algorithmOf,
  type Descriptor,
  type Digest,
  type DigestAlgorithm,
  MediaType,
  RegistryError,
  type RepositoryName,
  tryParseDigest,
} from '#core/oci';
import type { AppendOptions, Call, FinalChunk, Upload } from '#core/registry';
import type { ByteSource } from '#core/std';
import type { Answer } from './answer.ts';
import type { Body } from './ask.ts';
import { piecesOf, release } from './chunk.ts';
import { type Context, send } from './context.ts';
import { invalidError } from './failure.ts';
import { closingUrl, locationOf, locationOfId, uploadIdOf } from './upload-location.ts';

/** Asks a registry for an upload. Throws UNSUPPORTED, NAME_UNKNOWN and the UPSTREAM_ codes. */
export async function startUpload(
  context: Context,
  repository: RepositoryName,
  algorithm: DigestAlgorithm | undefined,
  call: Call,
): Promise<Upload> {
  // Only the newest registries know the parameter, and sha256 is what all expect.
  const named = algorithm === undefined || algorithm === 'sha256' ? {} : { algorithm };
  const request = { kind: 'uploadStart', repository, ...named } as const;
  const answer = await send(context, request, { accept: [202], unknown: 'NAME_UNKNOWN' }, call);
  return uploadFrom(context, repository, answer);
}

/** The upload that an answer with status 202 began. */
export async function uploadFrom(context: Context, repository: RepositoryName, answer: Answer): Promise<Upload> {
  await answer.drop();
  const location = await locationOf(context, answer);
  const least = chunkMinBytes(answer);
  return createUpload(context, repository, { location, offset: 0, least });
}

/** An upload that was begun earlier, where it stands now. Throws BLOB_UPLOAD_UNKNOWN. */
export async function openUpload(
  context: Context,
  repository: RepositoryName,
  uploadId: string,
  call: Call,
): Promise<Upload> {
  const url = locationOfId(context, repository, uploadId);
  const options = { accept: [204, 202, 200], unknown: 'BLOB_UPLOAD_UNKNOWN', url } as const;
  const answer = await send(context, { kind: 'uploadStatus', repository, uploadId }, options, call);
  await answer.drop();
  const location = answer.headers.has('location') ? await locationOf(context, answer) : url;
  return createUpload(context, repository, {
    location,
    offset: receivedBytes(answer) ?? 0,
    least: chunkMinBytes(answer),
  });
}

/** A registry that wants longer chunks than this would have us hold them in memory. */
const MAX_CHUNK_MIN_BYTES = 64 * 1024 * 1024;

function chunkMinBytes(answer: Answer): number | undefined {
  const text = answer.headers.get('oci-chunk-min-length');
  if (text === null || !/^\d{1,12}$/.test(text)) return undefined;
  const bytes = Number(text);
  if (bytes > MAX_CHUNK_MIN_BYTES) throw invalidError(answer.at, `it wants chunks of at least ${bytes} bytes`);
  return bytes;
}

/** Bytes received, from `Range: 0-<last>`. Zero bytes are told as `0-0` by most, which one byte is too. */
function receivedBytes(answer: Answer): number | undefined {
  const match = /^(?:bytes=)?0-(-?\d{1,15})$/.exec(answer.headers.get('range') ?? '');
  if (!match) return undefined;
  const last = Number(match[1]);
  return last <= 0 ? 0 : last + 1;
}

type State = { location: URL; offset: number; readonly least: number | undefined; busy?: boolean };

function createUpload(context: Context, repository: RepositoryName, state: State): Upload {
  const wire = { context, repository, state };
  return {
    get id() {
      return uploadIdOf(context, repository, state.location);
    },
    get offset() {
      return state.offset;
    },
    ...(state.least === undefined ? {} : { chunkMinBytes: state.least }),
    append: (body, options, call) => alone(state, () => append(wire, body, options, call)),
    commit: (digest, final, call) => alone(state, () => commit(wire, digest, final, call)),
    async cancel(call) {
      const request = { kind: 'uploadCancel', repository, uploadId: 'x' } as const;
      const options = { accept: [204, 202, 200], unknown: 'BLOB_UPLOAD_UNKNOWN', url: state.location } as const;
      await (await send(context, request, options, call)).drop();
    },
  };
}

type UploadWire = { readonly context: Context; readonly repository: RepositoryName; readonly state: State };

/** One writer at a time: chunks that overtake each other would be a blob of nobody's. */
async function alone<T>(state: State, task: () => Promise<T>): Promise<T> {
  if (state.busy) throw new RegistryError('BLOB_UPLOAD_INVALID', 'the upload is being written to already');
  state.busy = true;
  try {
    return await task();
  } finally {
    state.busy = false;
  }
}

function checkStart({ state }: UploadWire, start: number | undefined): void {
  if (start === undefined || start === state.offset) return;
  throw new RegistryError('RANGE_INVALID', `the upload has ${state.offset} bytes, and the chunk begins at ${start}`);
}

async function append(wire: UploadWire, body: ByteSource, options: AppendOptions, call: Call): Promise<number> {
  try {
    checkStart(wire, options.start);
    if (body instanceof Uint8Array) {
      await patch(wire, { kind: 'bytes', bytes: body }, body.byteLength, call);
    } else if (options.size !== undefined) {
      await patch(wire, { kind: 'stream', stream: body, size: options.size }, options.size, call);
    } else {
      for await (const { bytes } of piecesOf(body, chunkBytesOf(wire))) {
        if (bytes.byteLength > 0) await patch(wire, { kind: 'bytes', bytes }, bytes.byteLength, call);
      }
    }
    return wire.state.offset;
  } catch (thrown) {
    await release(body, thrown);
    throw thrown;
  }
}

function chunkBytesOf({ context, state }: UploadWire): number {
  return Math.max(context.quirks.chunkBytes, state.least ?? 0);
}

/** Sends one PATCH, and believes the registry only if it says that it has all of it. */
async function patch(wire: UploadWire, body: Body, sizeBytes: number, call: Call): Promise<void> {
  const { context, repository, state } = wire;
  if (sizeBytes === 0) return;
  const from = state.offset;
  const headers = {
    'content-type': MediaType.octets,
    'content-range': `${from}-${from + sizeBytes - 1}`,
  };
  // Not repeated: a chunk that arrived although its answer did not would be refused, or stored twice.
  const options = {
    accept: [202, 201, 204],
    unknown: 'BLOB_UPLOAD_UNKNOWN',
    headers,
    body,
    repeatable: false,
  } as const;
  const request = { kind: 'uploadPatch', repository, uploadId: 'x' } as const;
  const answer = await send(context, request, { ...options, url: state.location }, call);
  await answer.drop();
  // aws/containers-roadmap#2831: later chunks vanish behind a success.
  const received = receivedBytes(answer);
  if (received !== undefined && received !== from + sizeBytes && received !== 0) {
    throw invalidError(answer.at, `it has ${received} bytes of the upload after byte ${from + sizeBytes} was sent`);
  }
  state.offset = from + sizeBytes;
  if (answer.headers.has('location')) state.location = await locationOf(context, answer);
}

async function commit(
  wire: UploadWire,
  digest: Digest,
  final: FinalChunk | undefined,
  call: Call,
): Promise<Descriptor> {
  if (!final) return close(wire, digest, undefined, call);
  try {
    checkStart(wire, final.start);
    if (final.body instanceof Uint8Array) return await close(wire, digest, bytesBody(final.body), call);
    if (final.size !== undefined) {
      const { body: stream, size, isWatched } = final;
      return await close(wire, digest, { kind: 'stream', stream, size, isWatched }, call);
    }
    for await (const { bytes, isLast } of piecesOf(final.body, chunkBytesOf(wire))) {
      if (isLast) return await close(wire, digest, bytesBody(bytes), call);
      await patch(wire, bytesBody(bytes), bytes.byteLength, call);
    }
    throw new RegistryError('SIZE_INVALID', 'the body has no end');
  } catch (thrown) {
    await release(final.body, thrown);
    throw thrown;
  }
}

function bytesBody(bytes: Uint8Array): Body {
  return { kind: 'bytes', bytes };
}

/** The PUT that ends the upload, with its last bytes. */
async function close(wire: UploadWire, digest: Digest, body: Body | undefined, call: Call): Promise<Descriptor> {
  const { context, repository, state } = wire;
  const from = state.offset;
  const sizeBytes = body?.kind === 'bytes' ? body.bytes.byteLength : (body?.size ?? 0);
  const hasRange = from > 0 && sizeBytes > 0;
  const headers = {
    'content-type': MediaType.octets,
    ...(hasRange ? { 'content-range': `${from}-${from + sizeBytes - 1}` } : {}),
  };
  const options = {
    accept: [201, 204],
    unknown: 'BLOB_UPLOAD_UNKNOWN',
    headers,
    body: body ?? bytesBody(new Uint8Array()),
    // A second PUT would find the upload gone.
    repeatable: false,
    url: closingUrl(state.location, digest),
  } as const;
  const answer = await send(context, { kind: 'uploadCommit', repository, uploadId: 'x', digest }, options, call);
  await answer.drop();
  checkStored(answer, digest);
  state.offset = from + sizeBytes;
  return { mediaType: MediaType.octets, digest, size: state.offset };
}

/** A registry that names what it stored must name what we sent. */
function checkStored(answer: Answer, digest: Digest): void {
  const stored = tryParseDigest(answer.headers.get('docker-content-digest') ?? '');
  if (stored === undefined || stored === digest || algorithmOf(stored) !== algorithmOf(digest)) return;
  throw invalidError(answer.at, `it stored ${stored} instead of ${digest}`);
}
