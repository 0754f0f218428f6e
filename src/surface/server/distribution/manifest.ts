import { Bounds, type Descriptor, isDigest, manifestTooLarge, type TagName, withoutParameters } from '#core/oci';
import type { PutManifestAnswer } from '#core/registry';
import { collectBytes, createSizedCache } from '#core/std';
import { bodyOf, contentLengthOf } from './body.ts';
import { isUnchanged } from './condition.ts';
import { API_VERSION, type Exchange, type Handlers, type ManifestHeaders } from './exchange.ts';
import { answer, reply } from './reply.ts';

const UNCHANGED = { status: 304, body: null };
const NO_BODY = { status: 200, body: null };

export const manifestHandlers: Pick<Handlers, 'manifestGet' | 'manifestHead' | 'manifestPut' | 'manifestDelete'> = {
  /**
   * end-3. The stored bytes in the stored type, whatever `Accept` says: converting would change the digest,
   * and a 406 would break clients that list only the types of their day.
   */
  async manifestGet(request, exchange) {
    const { env, call, http } = exchange;
    const { value, served } = await env.registry.getManifest(request.repository, request.reference, call);
    exchange.served = served;
    const headers = env.manifestHeaders(value.descriptor);
    if (isUnchanged(http, headers.etag)) return reply(exchange, headers.get, UNCHANGED);
    exchange.bytesOut = value.bytes.byteLength;
    return reply(exchange, headers.get, { status: 200, body: owned(value.bytes) });
  },

  async manifestHead(request, exchange) {
    const { env, call, http } = exchange;
    const { value, served } = await env.registry.resolveManifest(request.repository, request.reference, call);
    exchange.served = served;
    const headers = env.manifestHeaders(value);
    if (isUnchanged(http, headers.etag)) return reply(exchange, headers.get, UNCHANGED);
    return reply(exchange, headers.head, NO_BODY);
  },

  /** end-7. Tags come in the path, as parameters beside a digest, or both. */
  async manifestPut(request, exchange) {
    const { repository, reference } = request;
    const sizeBytes = contentLengthOf(exchange);
    if (sizeBytes !== undefined && sizeBytes > Bounds.manifestBytes) throw manifestTooLarge(sizeBytes);
    const bytes = await collectBytes(bodyOf(exchange), Bounds.manifestBytes, () => manifestTooLarge(undefined));
    const named = isDigest(reference) ? { digest: reference } : { tag: reference };
    const tags = named.tag === undefined ? request.tags : [named.tag, ...request.tags];
    const stored = await exchange.env.registry.putManifest(
      repository,
      bytes,
      {
        mediaType: withoutParameters(exchange.http.headers.get('content-type') ?? ''),
        tags: [...new Set(tags)],
        ...(named.digest === undefined ? {} : { digest: named.digest }),
      },
      exchange.call,
    );
    return answer(exchange, 201, putHeaders(repository, stored, request.tags));
  },

  async manifestDelete({ repository, reference }, exchange) {
    const { registry } = exchange.env;
    if (isDigest(reference)) await registry.deleteManifest(repository, reference, exchange.call);
    else await registry.deleteTag(repository, reference, exchange.call);
    return answer(exchange, 202, {});
  },
};

function putHeaders(repository: string, stored: PutManifestAnswer, askedTags: readonly TagName[]) {
  const { digest } = stored.descriptor;
  const tagged = stored.tags.filter((tag) => askedTags.includes(tag));
  return {
    location: `/v2/${repository}/manifests/${digest}`,
    'docker-content-digest': digest,
    ...(stored.subject === undefined ? {} : { 'oci-subject': stored.subject }),
    ...(tagged.length === 0 ? {} : { 'oci-tag': tagged.join(', ') }),
  };
}

/** Bytes of a manifest are never in shared memory, which the type cannot say. */
function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}

/** Prepared headers a manifest: some 600 bytes each, so that 16 MiB hold those of 25,000 manifests in use. */
const HEADER_CACHE_BYTES = 16 * 1024 * 1024;
const HEADER_ENTRY_BYTES = 640;

/** Headers by digest and type. A manifest's headers follow from its descriptor alone, so they never go stale. */
export function createManifestHeaders(): Exchange['env']['manifestHeaders'] {
  const cache = createSizedCache<ManifestHeaders & { mediaType: string; size: number }>(HEADER_CACHE_BYTES);
  return (descriptor) => {
    const known = cache.get(descriptor.digest);
    // The same bytes may stand under two types in two repositories.
    if (known && known.mediaType === descriptor.mediaType && known.size === descriptor.size) return known;
    const made = { ...headersOf(descriptor), mediaType: descriptor.mediaType, size: descriptor.size };
    cache.set(descriptor.digest, made, HEADER_ENTRY_BYTES);
    return made;
  };
}

function headersOf({ digest, mediaType, size }: Descriptor): ManifestHeaders {
  const etag = `"${digest}"`;
  const get = { ...API_VERSION, 'content-type': mediaType, 'docker-content-digest': digest, etag };
  return { get: new Headers(get), head: new Headers({ ...get, 'content-length': String(size) }), etag };
}
