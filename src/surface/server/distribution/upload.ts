import { type Digest, isRegistryError, RegistryError, type RepositoryName } from '#core/oci';
import type { AppendOptions, Upload } from '#core/registry';
import { bodyOf, contentLengthOf } from './body.ts';
import { type Exchange, type Handlers, mayRead } from './exchange.ts';
import { answer } from './reply.ts';

type UploadKind =
  | 'uploadStart'
  | 'blobPost'
  | 'blobMount'
  | 'uploadStatus'
  | 'uploadPatch'
  | 'uploadCommit'
  | 'uploadCancel';

export const uploadHandlers: Pick<Handlers, UploadKind> = {
  /** end-4a, end-4c. */
  async uploadStart({ repository, algorithm }, exchange) {
    const options = algorithm === undefined ? {} : { algorithm };
    return begun(repository, await exchange.env.registry.startUpload(repository, options, exchange.call), exchange);
  },

  /** end-4b: the whole blob in one request. */
  async blobPost({ repository, digest }, exchange) {
    const size = contentLengthOf(exchange);
    const target = { digest, ...(size === undefined ? {} : { size }) };
    const { digest: stored } = await exchange.env.registry.putBlob(repository, target, bodyOf(exchange), exchange.call);
    return created(repository, stored, exchange);
  },

  /** end-11. Where it cannot be mounted an upload is begun, and nothing is told about why. */
  async blobMount({ repository, digest, from }, exchange) {
    const options = { mayRead: mayRead(exchange), ...(from === undefined ? {} : { from }) };
    const mounted = await exchange.env.registry.mountBlob(repository, digest, options, exchange.call);
    if (mounted.kind === 'upload') return begun(repository, mounted.upload, exchange);
    return created(repository, mounted.descriptor.digest, exchange);
  },

  /** end-13. */
  async uploadStatus({ repository, uploadId }, exchange) {
    const upload = await exchange.env.registry.openUpload(repository, uploadId, exchange.call);
    return answer(exchange, 204, uploadHeaders(repository, upload.id, upload.offset));
  },

  /** end-5: a chunk, or a stream of any length where no Content-Range is given. */
  async uploadPatch({ repository, uploadId }, exchange) {
    const upload = await exchange.env.registry.openUpload(repository, uploadId, exchange.call);
    const offset = await withPosition({ repository, upload, exchange }, () =>
      upload.append(bodyOf(exchange), chunkOf(exchange), exchange.call),
    );
    return answer(exchange, 202, uploadHeaders(repository, upload.id, offset));
  },

  /** end-6: the last chunk, if there is one, and the digest of the whole. */
  async uploadCommit({ repository, uploadId, digest }, exchange) {
    const upload = await exchange.env.registry.openUpload(repository, uploadId, exchange.call);
    const stored = await withPosition({ repository, upload, exchange }, () => {
      const chunk = chunkOf(exchange);
      const final = chunk.size === 0 ? undefined : { ...chunk, body: bodyOf(exchange) };
      return upload.commit(digest, final, exchange.call);
    });
    return created(repository, stored.digest, exchange);
  },

  /** end-14. */
  async uploadCancel({ repository, uploadId }, exchange) {
    const upload = await exchange.env.registry.openUpload(repository, uploadId, exchange.call);
    await upload.cancel(exchange.call);
    return answer(exchange, 204, {});
  },
};

/** A path without host: it is right behind any proxy, and every client resolves it against the request's URL. */
function uploadHeaders(repository: RepositoryName, uploadId: string, offset: number) {
  return {
    location: `/v2/${repository}/blobs/uploads/${uploadId}`,
    'docker-upload-uuid': uploadId,
    // The grammar has no word for "nothing yet": 0-0 is what registries say and clients know.
    range: `0-${Math.max(0, offset - 1)}`,
  };
}

function begun(repository: RepositoryName, upload: Upload, exchange: Exchange): Response {
  return answer(exchange, 202, {
    ...uploadHeaders(repository, upload.id, upload.offset),
    ...(upload.chunkMinBytes === undefined ? {} : { 'oci-chunk-min-length': String(upload.chunkMinBytes) }),
  });
}

function created(repository: RepositoryName, digest: Digest, exchange: Exchange): Response {
  return answer(exchange, 201, { location: `/v2/${repository}/blobs/${digest}`, 'docker-content-digest': digest });
}

type Position = { readonly repository: RepositoryName; readonly upload: Upload; readonly exchange: Exchange };

/** Tells whoever sent a wrong chunk where the upload stands. Spec, "Pushing a blob in chunks". */
async function withPosition<T>({ repository, upload, exchange }: Position, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (thrown) {
    if (isRegistryError(thrown, 'RANGE_INVALID')) {
      exchange.errorHeaders = uploadHeaders(repository, upload.id, upload.offset);
    }
    throw thrown;
  }
}

/** `0-99`, as the spec has it; `bytes 0-99/*`, as HTTP has it, is understood too. */
const CONTENT_RANGE = /^(?:bytes[ =])?([0-9]{1,15})-([0-9]{1,15})(?:\/(?:[0-9]{1,15}|\*))?$/;

/** Where the chunk begins and how long it is, as far as the headers say. Throws RANGE_INVALID, SIZE_INVALID. */
function chunkOf(exchange: Exchange): AppendOptions {
  const size = contentLengthOf(exchange);
  const header = exchange.http.headers.get('content-range');
  if (header === null) return size === undefined ? {} : { size };
  const match = CONTENT_RANGE.exec(header.trim());
  const start = Number(match?.[1]);
  const length = Number(match?.[2]) - start + 1;
  if (!match || length < 1) {
    throw new RegistryError('RANGE_INVALID', `Content-Range "${header.slice(0, 80)}" is not a range`, {
      hint: 'write first-last, both inclusive, for example 0-1023',
    });
  }
  if (size !== undefined && size !== length) {
    throw new RegistryError('SIZE_INVALID', `Content-Range means ${length} bytes, Content-Length ${size}`);
  }
  return { start, size: length };
}
