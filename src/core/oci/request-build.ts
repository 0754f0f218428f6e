import type { RegistryRequest, RequestKind, RequestOf } from './request.ts';

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
