import { Bounds } from './bounds.ts';
import { isDigestAlgorithm, parseDigest } from './digest.ts';
import { RegistryError } from './error.ts';
import { parseRepository, parseTag, type RepositoryName, type TagName } from './name.ts';
import type { RegistryRequest, RequestOf } from './request.ts';

const UPLOAD_ID = /^[A-Za-z0-9_-]{1,128}$/;
/** A method that a known path does not take: 405, with the ones it takes in `detail.allow`. */
const methodNotAllowed = (...allow: string[]) =>
  new RegistryError('UNSUPPORTED', `this path takes ${allow.join(', ')}`, { detail: { allow } });
const notFound = (path: string) =>
  new RegistryError('NOT_FOUND', `no registry endpoint at ${path.slice(0, 120)}`, {
    hint: 'paths are /v2/<name>/manifests/…, /blobs/…, /tags/list and /referrers/…',
  });

/**
 * Reads method, path and query (`search` with or without its question mark).
 * Throws NAME_INVALID, TAG_INVALID, DIGEST_INVALID, UNSUPPORTED, NOT_FOUND, PAGINATION_NUMBER_INVALID, URI_TOO_LONG,
 * BLOB_UPLOAD_UNKNOWN, REQUEST_INVALID. Hot: every request of a server goes through here.
 */
export function parseRequest(method: string, path: string, search = ''): RegistryRequest {
  if (path.length + search.length > Bounds.urlLength) {
    throw new RegistryError('URI_TOO_LONG', `the URL is longer than ${Bounds.urlLength} characters`);
  }
  if (path === '/v2/' || path === '/v2') return readOnly(method, { kind: 'ping' });
  // No legal path has an escape, a backslash or an empty segment; whoever sends one means another path.
  if (!path.startsWith('/v2/') || STRANGE_PATH.test(path)) return withColon(method, path, search);
  const query = search === '' ? NO_QUERY : new URLSearchParams(search);
  if (path === '/v2/_catalog') return readOnly(method, { kind: 'catalog', ...pageOf(query) });
  return endpointRequest(method, path, query);
}

const STRANGE_PATH = /[%\\]|\/\/|\/\.{1,2}(?:\/|$)/;

/** Some clients escape the colon of a digest: in the last segment alone it is understood. */
function withColon(method: string, path: string, search: string): RegistryRequest {
  const last = path.lastIndexOf('/');
  const tail = path.slice(last).replace(/%3a/i, ':');
  const unescaped = path.slice(0, last) + tail;
  if (unescaped === path || STRANGE_PATH.test(unescaped)) throw notFound(path);
  return parseRequest(method, unescaped, search);
}

/** What is asked of a repository: `tail` is the last segment. */
type Asked = { readonly method: string; readonly tail: string; readonly query: URLSearchParams };

function endpointRequest(method: string, path: string, query: URLSearchParams): RegistryRequest {
  const last = path.lastIndexOf('/');
  const before = path.lastIndexOf('/', last - 1);
  if (before < 4) throw notFound(path);
  const tail = path.slice(last + 1);
  const name = path.slice(4, before);
  switch (path.slice(before + 1, last)) {
    case 'manifests':
      return manifestRequest({ method, tail, query }, parseRepository(name));
    case 'blobs':
      if (tail === 'uploads') return uploadStart(method, parseRepository(name), query);
      return blobRequest({ method, tail, query }, parseRepository(name));
    case 'uploads':
      if (!name.endsWith('/blobs')) throw notFound(path);
      return uploadRequest({ method, tail, query }, parseRepository(name.slice(0, -6)));
    case 'tags':
      if (tail !== 'list') throw notFound(path);
      return readOnly(method, { kind: 'tags', repository: parseRepository(name), ...pageOf(query), ...nsOf(query) });
    case 'referrers':
      return readOnly(method, referrersRequest(parseRepository(name), tail, query));
    default:
      throw notFound(path);
  }
}

const NO_QUERY = new URLSearchParams();

function readOnly<R extends RegistryRequest>(method: string, request: R): R {
  if (method === 'GET' || (method === 'HEAD' && request.kind === 'ping')) return request;
  throw methodNotAllowed('GET');
}

function manifestRequest({ method, tail, query }: Asked, repository: RepositoryName): RegistryRequest {
  const reference = tail.includes(':') ? parseDigest(tail) : parseTag(tail);
  switch (method) {
    case 'GET':
      return { kind: 'manifestGet', repository, reference, ...nsOf(query) };
    case 'HEAD':
      return { kind: 'manifestHead', repository, reference, ...nsOf(query) };
    case 'PUT':
      return { kind: 'manifestPut', repository, reference, tags: tagsOf(query) };
    case 'DELETE':
      return { kind: 'manifestDelete', repository, reference };
    default:
      throw methodNotAllowed('GET', 'HEAD', 'PUT', 'DELETE');
  }
}

function tagsOf(query: URLSearchParams): TagName[] {
  const tags = query.getAll('tag');
  if (tags.length > Bounds.tagsPerPut) {
    throw new RegistryError('URI_TOO_LONG', `${tags.length} tags in one request, more than ${Bounds.tagsPerPut}`);
  }
  return [...new Set(tags.map(parseTag))];
}

function blobRequest({ method, tail, query }: Asked, repository: RepositoryName): RegistryRequest {
  const digest = parseDigest(tail);
  switch (method) {
    case 'GET':
      return { kind: 'blobGet', repository, digest, ...nsOf(query) };
    case 'HEAD':
      return { kind: 'blobHead', repository, digest, ...nsOf(query) };
    case 'DELETE':
      return { kind: 'blobDelete', repository, digest };
    default:
      throw methodNotAllowed('GET', 'HEAD', 'DELETE');
  }
}

function uploadStart(method: string, repository: RepositoryName, query: URLSearchParams): RegistryRequest {
  if (method !== 'POST') throw methodNotAllowed('POST');
  const mount = query.get('mount');
  const digest = query.get('digest');
  const algorithm = query.get('digest-algorithm');
  const from = query.get('from');
  if (mount) {
    return {
      kind: 'blobMount',
      repository,
      digest: parseDigest(mount),
      ...(from ? { from: parseRepository(from) } : {}),
    };
  }
  if (digest) return { kind: 'blobPost', repository, digest: parseDigest(digest) };
  if (algorithm === null) return { kind: 'uploadStart', repository };
  if (!isDigestAlgorithm(algorithm)) {
    throw new RegistryError('DIGEST_INVALID', `digest algorithm "${algorithm.slice(0, 40)}" is not supported`, {
      hint: 'use sha256 or sha512',
    });
  }
  return { kind: 'uploadStart', repository, algorithm };
}

function uploadRequest({ method, tail: uploadId, query }: Asked, repository: RepositoryName): RegistryRequest {
  // A trailing slash is how clients start an upload: POST …/blobs/uploads/
  if (uploadId === '') return uploadStart(method, repository, query);
  if (!UPLOAD_ID.test(uploadId)) throw new RegistryError('BLOB_UPLOAD_UNKNOWN', 'the upload id is not one of ours');
  switch (method) {
    case 'GET':
      return { kind: 'uploadStatus', repository, uploadId };
    case 'PATCH':
      return { kind: 'uploadPatch', repository, uploadId };
    case 'PUT':
      return { kind: 'uploadCommit', repository, uploadId, digest: parseDigest(query.get('digest') ?? '') };
    case 'DELETE':
      return { kind: 'uploadCancel', repository, uploadId };
    default:
      throw methodNotAllowed('GET', 'PATCH', 'PUT', 'DELETE');
  }
}

function referrersRequest(repository: RepositoryName, tail: string, query: URLSearchParams): RequestOf<'referrers'> {
  const last = query.get('last');
  return {
    kind: 'referrers',
    repository,
    digest: parseDigest(tail),
    // A plus that was not escaped reads as a space; no media type has a space.
    artifactTypes: query.getAll('artifactType').flatMap((type) => (type === '' ? [] : [type.replaceAll(' ', '+')])),
    ...(last === null ? {} : { last }),
    ...nsOf(query),
  };
}

/** A host with its port. It comes back in a header, so nothing else may stand in it. */
const NAMESPACE = /^[A-Za-z0-9.:_[\]-]{1,255}$/;

function nsOf(query: URLSearchParams): { ns?: string } {
  if (query === NO_QUERY) return NO_NAMESPACE;
  const ns = query.get('ns');
  if (!ns) return NO_NAMESPACE;
  if (NAMESPACE.test(ns)) return { ns };
  throw new RegistryError('REQUEST_INVALID', `ns="${ns.slice(0, 80)}" is not the host of a registry`);
}
const NO_NAMESPACE = {};

function pageOf(query: URLSearchParams): { n?: number; last?: string } {
  const count = query.get('n');
  const last = query.get('last');
  if (count !== null && !/^[0-9]{1,9}$/.test(count)) {
    throw new RegistryError('PAGINATION_NUMBER_INVALID', `n="${count.slice(0, 40)}" is not a number of names`, {
      hint: 'use a whole number from 0 to 999999999',
    });
  }
  return { ...(count === null ? {} : { n: Number(count) }), ...(last === null ? {} : { last }) };
}
