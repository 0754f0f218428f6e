import { algorithmOf, type Descriptor, type Digest, digestOf, RegistryError, type RepositoryName } from '#core/oci';
import type { BlobTarget, Call, MountAnswer, MountOptions, Upload } from '#core/registry';
import { type ByteSource, retry } from '#core/std';
import { release } from './chunk.ts';
import { type Context, send } from './context.ts';
import { isTransient } from './failure.ts';
import type { UploadMode } from './quirks.ts';
import { startUpload, uploadFrom } from './upload.ts';

/** Statuses by which registries refuse a way of uploading rather than a blob. */
const MODE_REFUSED: readonly number[] = [400, 404, 405, 411, 413, 415, 501];

/**
 * Uploads a whole blob the way the registry takes it. Bytes in memory are sent again where that helps;
 * a stream is read once: where its upload mode is refused, the error says to try again, and the next try uses another.
 */
export async function putBlob(
  context: Context,
  repository: RepositoryName,
  { target, body }: { readonly target: BlobTarget; readonly body: ByteSource },
  call: Call,
): Promise<Descriptor> {
  const size = body instanceof Uint8Array ? body.byteLength : target.size;
  if (target.size !== undefined && size !== target.size) {
    throw new RegistryError('SIZE_INVALID', `the content has ${size} bytes, not ${target.size}`);
  }
  if (!(body instanceof Uint8Array)) {
    const begin = () => startUpload(context, repository, algorithmOf(target.digest), call);
    return streamed(context, begin, { target, body, size }, call);
  }
  const actual = digestOf(body, algorithmOf(target.digest));
  if (actual !== target.digest) {
    throw new RegistryError('DIGEST_INVALID', `the content has digest ${actual}, not ${target.digest}`);
  }
  return retry(() => inAnyMode(context, repository, { target, body, size }, call), {
    policy: context.retry,
    clock: context.clock,
    random: context.random,
    signal: call.signal,
    judge: (thrown) => (thrown instanceof RegistryError && isTransient(thrown) && !isStart(thrown) ? {} : undefined),
  });
}

type Sized = {
  readonly target: BlobTarget;
  readonly body: ByteSource;
  readonly size: number | undefined;
  readonly isWatched?: true;
};

/** The beginning of an upload was tried again by the transport already. */
function isStart(error: RegistryError): boolean {
  return error.upstream?.request?.startsWith('POST ') ?? false;
}

async function inAnyMode(context: Context, repository: RepositoryName, sized: Sized, call: Call): Promise<Descriptor> {
  const modes = openModes(context);
  for (const [index, mode] of modes.entries()) {
    try {
      const upload = await startUpload(context, repository, algorithmOf(sized.target.digest), call);
      return await sendIn(mode, context, { upload, sized }, call);
    } catch (thrown) {
      if (index === modes.length - 1 || !isModeRefusal(thrown)) throw thrown;
      context.learned.refusedUploads.add(mode);
    }
  }
  throw new RegistryError('UNSUPPORTED', `${context.host} takes no uploads`);
}

async function streamed(context: Context, begin: () => Promise<Upload>, sized: Sized, call: Call): Promise<Descriptor> {
  const [mode = 'monolithic', ...others] = openModes(context);
  try {
    const upload = await begin();
    return await sendIn(mode, context, { upload, sized }, call);
  } catch (thrown) {
    await release(sized.body, thrown);
    if (others.length === 0 || !isModeRefusal(thrown)) throw thrown;
    context.learned.refusedUploads.add(mode);
    throw new RegistryError(thrown.code, thrown.message, {
      origin: 'upstream',
      ...(thrown.upstream ? { upstream: thrown.upstream } : {}),
      ...(thrown.why === undefined ? {} : { why: thrown.why }),
      hint: `try again: the next upload is sent as "${others[0]}" instead of "${mode}"`,
      retryAfterMs: 0,
      cause: thrown,
    });
  }
}

/** Modes that were not refused; when all were, the last one is asked again. */
function openModes(context: Context): readonly UploadMode[] {
  const { uploads } = context.quirks;
  const open = uploads.filter((mode) => !context.learned.refusedUploads.has(mode));
  return open.length > 0 ? open : uploads.slice(-1);
}

function isModeRefusal(thrown: unknown): thrown is RegistryError {
  if (!(thrown instanceof RegistryError) || thrown.origin !== 'upstream') return false;
  const status = thrown.upstream?.status;
  const isBody = /^(?:PUT|PATCH) /.test(thrown.upstream?.request ?? '');
  // A blob with another digest is refused in every mode.
  return isBody && status !== undefined && MODE_REFUSED.includes(status) && thrown.code !== 'DIGEST_INVALID';
}

type Begun = { readonly upload: Upload; readonly sized: Sized };

async function sendIn(mode: UploadMode, context: Context, { upload, sized }: Begun, call: Call): Promise<Descriptor> {
  const { target, body, size, isWatched } = sized;
  if (mode === 'monolithic') {
    const final = { body, ...(size === undefined ? {} : { size }), ...(isWatched ? { isWatched } : {}) };
    return upload.commit(target.digest, final, call);
  }
  if (mode === 'patch' && size !== undefined) {
    await upload.append(body, { size }, call);
    return upload.commit(target.digest, undefined, call);
  }
  // Without a size the upload cuts it into chunks, the last of which goes with the PUT.
  if (!(body instanceof Uint8Array)) return upload.commit(target.digest, { body }, call);
  const chunkBytes = Math.max(context.quirks.chunkBytes, upload.chunkMinBytes ?? 0);
  let at = 0;
  for (; body.byteLength - at > chunkBytes; at += chunkBytes) {
    await upload.append(body.subarray(at, at + chunkBytes), { start: at }, call);
  }
  return upload.commit(target.digest, { body: body.subarray(at), start: at }, call);
}

/** Answers by which registries say that they cannot mount this from there; an upload still can. */
const MOUNT_REFUSED: readonly number[] = [400, 401, 403, 404, 405, 501];

/** `POST ?mount=`: 201 is a blob without a byte sent, 202 an upload begun, so that a miss costs nothing more. */
export async function mountBlob(
  context: Context,
  { repository, digest }: { readonly repository: RepositoryName; readonly digest: Digest },
  options: MountOptions,
  call: Call,
): Promise<MountAnswer> {
  const begin = async (): Promise<MountAnswer> => ({
    kind: 'upload',
    upload: inItsMode(context, await startUpload(context, repository, algorithmOf(digest), call)),
  });
  const { mount } = context.quirks;
  const { from } = options;
  if (mount === 'none' || (mount === 'from' && from === undefined)) return begin();
  if (from !== undefined && !(await options.mayRead(from))) return begin();
  const request = { kind: 'blobMount', repository, digest, ...(from === undefined ? {} : { from }) } as const;
  const answer = await send(context, request, { accept: [201, 202, ...MOUNT_REFUSED], unknown: 'NAME_UNKNOWN' }, call);
  if (answer.status === 202) {
    return { kind: 'upload', upload: inItsMode(context, await uploadFrom(context, repository, answer)) };
  }
  await answer.drop();
  return answer.status === 201 ? { kind: 'mounted', descriptor: { digest } } : begin();
}

/** An upload whose whole content, given in one stream, goes the way the registry takes it. */
function inItsMode(context: Context, upload: Upload): Upload {
  return {
    get id() {
      return upload.id;
    },
    get offset() {
      return upload.offset;
    },
    ...(upload.chunkMinBytes === undefined ? {} : { chunkMinBytes: upload.chunkMinBytes }),
    append: (body, options, call) => upload.append(body, options, call),
    async commit(digest, final, call) {
      const isWhole = final !== undefined && upload.offset === 0 && (final.start ?? 0) === 0;
      if (!isWhole || final.body instanceof Uint8Array || final.size === undefined) {
        return upload.commit(digest, final, call);
      }
      const { body, size, isWatched } = final;
      const sized = { target: { digest, size }, body, size, ...(isWatched ? { isWatched } : {}) };
      return streamed(context, async () => upload, sized, call);
    },
    cancel: (call) => upload.cancel(call),
  };
}
