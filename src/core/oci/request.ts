import { Bounds } from './bounds.ts';
import { type Digest, type DigestAlgorithm, isDigestAlgorithm, parseDigest } from './digest.ts';
import { RegistryError } from './error.ts';
import { type ManifestReference, parseRepository, parseTag, type RepositoryName, type TagName } from './name.ts';

/**
 * The distribution grammar as data: one case an operation, used by the server to read a request
 * and by the client to write one. `ns` is the registry that the client thinks it talks to (spec, "Registry Proxying").
 * Source: distribution-spec spec.md, "Endpoints"; `catalog` is the older `_catalog`.
 */
export type RegistryRequest =
  | { readonly kind: 'ping' }
  | { readonly kind: 'catalog'; readonly n?: number; readonly last?: string }
  | {
      readonly kind: 'manifestGet' | 'manifestHead' | 'manifestDelete';
      readonly repository: RepositoryName;
      readonly reference: ManifestReference;
      readonly ns?: string;
    }
  | {
      readonly kind: 'manifestPut';
      readonly repository: RepositoryName;
      readonly reference: ManifestReference;
      readonly tags: readonly TagName[];
    }
  | {
      readonly kind: 'blobGet' | 'blobHead' | 'blobDelete';
      readonly repository: RepositoryName;
      readonly digest: Digest;
      readonly ns?: string;
    }
  | { readonly kind: 'uploadStart'; readonly repository: RepositoryName; readonly algorithm?: DigestAlgorithm }
  | { readonly kind: 'blobPost'; readonly repository: RepositoryName; readonly digest: Digest }
  | {
      readonly kind: 'blobMount';
      readonly repository: RepositoryName;
      readonly digest: Digest;
      readonly from?: RepositoryName;
    }
  | {
      readonly kind: 'uploadStatus' | 'uploadPatch' | 'uploadCancel';
      readonly repository: RepositoryName;
      readonly uploadId: string;
    }
  | {
      readonly kind: 'uploadCommit';
      readonly repository: RepositoryName;
      readonly uploadId: string;
      readonly digest: Digest;
    }
  | {
      readonly kind: 'tags';
      readonly repository: RepositoryName;
      readonly n?: number;
      readonly last?: string;
      readonly ns?: string;
    }
  | {
      readonly kind: 'referrers';
      readonly repository: RepositoryName;
      readonly digest: Digest;
      readonly artifactTypes: readonly string[];
      readonly last?: string;
      readonly ns?: string;
    };

export type RequestKind = RegistryRequest['kind'];
type RequestOf<K extends RequestKind> = Extract<RegistryRequest, { kind: K }>;

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
 * Throws NAME_INVALID, TAG_INVALID, DIGEST_INVALID, UNSUPPORTED, NOT_FOUND, PAGINATION_NUMBER_INVALID, URI_TOO_LONG, REQUEST_INVALID.
 */
export function parseRequest(method: string, path: string, search = ''): RegistryRequest {
  if (path.length + search.length > Bounds.urlLength) {
    throw new RegistryError('URI_TOO_LONG', `the URL is longer than ${Bounds.urlLength} characters`);
  }
  if (path === '/v2/' || path === '/v2') return readOnly(method, { kind: 'ping' });
  if (!path.startsWith('/v2/')) throw notFound(path);
  // No legal path has an escape, a backslash or an empty segment; whoever sends one means another path.
  if (/[%\\]|\/\/|\/\.{1,2}(?:\/|$)/.test(path)) throw notFound(path);
  if (path === '/v2/_catalog') return readOnly(method, { kind: 'catalog', ...pageOf(new URLSearchParams(search)) });
  const last = path.lastIndexOf('/');
  const before = path.lastIndexOf('/', last - 1);
  if (before < 4) throw notFound(path);
  const word = path.slice(before + 1, last);
  const tail = path.slice(last + 1);
  const name = path.slice(4, before);
  const query = search === '' ? NO_QUERY : new URLSearchParams(search);
  switch (word) {
    case 'manifests':
      return manifestRequest(method, parseRepository(name), tail, query);
    case 'blobs':
      if (tail === 'uploads') return uploadStart(method, parseRepository(name), query);
      return blobRequest(method, parseRepository(name), tail, query);
    case 'uploads':
      if (!name.endsWith('/blobs')) throw notFound(path);
      return uploadRequest(method, parseRepository(name.slice(0, -6)), tail, query);
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

function manifestRequest(
  method: string,
  repository: RepositoryName,
  tail: string,
  query: URLSearchParams,
): RegistryRequest {
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
  return tags.map(parseTag);
}

function blobRequest(
  method: string,
  repository: RepositoryName,
  tail: string,
  query: URLSearchParams,
): RegistryRequest {
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

function uploadRequest(
  method: string,
  repository: RepositoryName,
  uploadId: string,
  query: URLSearchParams,
): RegistryRequest {
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
    artifactTypes: query.getAll('artifactType').filter((type) => type !== ''),
    ...(last === null ? {} : { last }),
    ...nsOf(query),
  };
}

function nsOf(query: URLSearchParams): { ns?: string } {
  const ns = query.get('ns');
  return ns ? { ns } : {};
}

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

/** The method and the path with query that `parseRequest` reads back as the same request. */
export function buildRequest(request: RegistryRequest): { method: string; path: string } {
  const method = METHOD_OF_KIND[request.kind];
  switch (request.kind) {
    case 'ping':
      return { method, path: '/v2/' };
    case 'catalog':
      return { method, path: `/v2/_catalog${queryOf(pageEntries(request))}` };
    case 'manifestGet':
    case 'manifestHead':
    case 'manifestDelete':
      return { method, path: `/v2/${request.repository}/manifests/${request.reference}${nsQuery(request)}` };
    case 'manifestPut':
      return {
        method,
        path: `/v2/${request.repository}/manifests/${request.reference}${queryOf(request.tags.map((tag) => ['tag', tag]))}`,
      };
    case 'blobGet':
    case 'blobHead':
    case 'blobDelete':
      return { method, path: `/v2/${request.repository}/blobs/${request.digest}${nsQuery(request)}` };
    case 'tags':
      return {
        method,
        path: `/v2/${request.repository}/tags/list${queryOf([...pageEntries(request), ...nsEntries(request)])}`,
      };
    case 'referrers':
      return {
        method,
        path: `/v2/${request.repository}/referrers/${request.digest}${queryOf(referrersEntries(request))}`,
      };
    default:
      return { method, path: `/v2/${request.repository}/blobs/uploads/${uploadTail(request)}` };
  }
}

const METHOD_OF_KIND: Readonly<Record<RequestKind, string>> = {
  ping: 'GET',
  catalog: 'GET',
  manifestGet: 'GET',
  manifestHead: 'HEAD',
  manifestPut: 'PUT',
  manifestDelete: 'DELETE',
  blobGet: 'GET',
  blobHead: 'HEAD',
  blobDelete: 'DELETE',
  uploadStart: 'POST',
  blobPost: 'POST',
  blobMount: 'POST',
  uploadStatus: 'GET',
  uploadPatch: 'PATCH',
  uploadCancel: 'DELETE',
  uploadCommit: 'PUT',
  tags: 'GET',
  referrers: 'GET',
};

type UploadRequest = RequestOf<
  'uploadStart' | 'blobPost' | 'blobMount' | 'uploadStatus' | 'uploadPatch' | 'uploadCancel' | 'uploadCommit'
>;
type QueryEntry = readonly [string, string];

function uploadTail(request: UploadRequest): string {
  switch (request.kind) {
    case 'uploadStart':
      return queryOf(request.algorithm === undefined ? [] : [['digest-algorithm', request.algorithm]]);
    case 'blobPost':
      return queryOf([['digest', request.digest]]);
    case 'blobMount':
      return queryOf([
        ['mount', request.digest],
        ...(request.from === undefined ? [] : [['from', request.from] as const]),
      ]);
    case 'uploadCommit':
      return `${request.uploadId}${queryOf([['digest', request.digest]])}`;
    default:
      return request.uploadId;
  }
}

function pageEntries(page: { n?: number; last?: string }): QueryEntry[] {
  return [
    ...(page.n === undefined ? [] : [['n', String(page.n)] as const]),
    ...(page.last === undefined ? [] : [['last', page.last] as const]),
  ];
}

function referrersEntries(request: RequestOf<'referrers'>): QueryEntry[] {
  return [
    ...request.artifactTypes.map((type) => ['artifactType', type] as const),
    ...(request.last === undefined ? [] : [['last', request.last] as const]),
    ...nsEntries(request),
  ];
}

function nsEntries(request: { ns?: string }): QueryEntry[] {
  return request.ns === undefined ? [] : [['ns', request.ns]];
}

function nsQuery(request: { ns?: string }): string {
  return queryOf(nsEntries(request));
}

function queryOf(entries: readonly QueryEntry[]): string {
  if (entries.length === 0) return '';
  return `?${entries.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join('&')}`;
}
