import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { RegistryError } from './error.ts';
import type { RegistryRequest } from './request.ts';
import { buildRequest } from './request-build.ts';
import { parseRequest } from './request-parse.ts';
import { arbitraryDigest, arbitraryRepository, arbitraryTag } from './testing/arbitrary.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const escaped = digest.replace(':', '%3A');

describe('parseRequest', () => {
  const cases: { name: string; line: string; request: object }[] = [
    { name: 'ping', line: 'GET /v2/', request: { kind: 'ping' } },
    { name: 'ping without a slash', line: 'GET /v2', request: { kind: 'ping' } },
    { name: 'ping by HEAD', line: 'HEAD /v2/', request: { kind: 'ping' } },
    { name: 'catalog', line: 'GET /v2/_catalog?n=5&last=a', request: { kind: 'catalog', n: 5, last: 'a' } },
    {
      name: 'manifest by tag',
      line: 'GET /v2/a/manifests/v1',
      request: { kind: 'manifestGet', repository: 'a', reference: 'v1' },
    },
    {
      name: 'manifest by digest',
      line: `HEAD /v2/a/b/manifests/${digest}`,
      request: { kind: 'manifestHead', repository: 'a/b', reference: digest },
    },
    {
      name: 'manifest of a registry behind',
      line: 'GET /v2/a/manifests/v1?ns=docker.io',
      request: { kind: 'manifestGet', repository: 'a', reference: 'v1', ns: 'docker.io' },
    },
    {
      name: 'several tags, each once',
      line: `PUT /v2/a/manifests/${digest}?tag=x&tag=y&tag=x`,
      request: { kind: 'manifestPut', repository: 'a', reference: digest, tags: ['x', 'y'] },
    },
    { name: 'blob', line: `GET /v2/a/blobs/${digest}`, request: { kind: 'blobGet', repository: 'a', digest } },
    {
      name: 'blob with its colon escaped',
      line: `GET /v2/a/blobs/${escaped}`,
      request: { kind: 'blobGet', repository: 'a', digest },
    },
    {
      name: 'referrers with the colon escaped in small letters',
      line: `GET /v2/a/referrers/${escaped.toLowerCase()}`,
      request: { kind: 'referrers', repository: 'a', digest, artifactTypes: [] },
    },
    { name: 'upload', line: 'POST /v2/a/blobs/uploads/', request: { kind: 'uploadStart', repository: 'a' } },
    {
      name: 'upload without a slash',
      line: 'POST /v2/a/blobs/uploads',
      request: { kind: 'uploadStart', repository: 'a' },
    },
    {
      name: 'upload for sha512',
      line: 'POST /v2/a/blobs/uploads/?digest-algorithm=sha512',
      request: { kind: 'uploadStart', repository: 'a', algorithm: 'sha512' },
    },
    {
      name: 'single post',
      line: `POST /v2/a/blobs/uploads/?digest=${escaped}`,
      request: { kind: 'blobPost', repository: 'a', digest },
    },
    {
      name: 'mount',
      line: `POST /v2/a/blobs/uploads/?mount=${digest}&from=b/c`,
      request: { kind: 'blobMount', repository: 'a', digest, from: 'b/c' },
    },
    {
      name: 'anonymous mount',
      line: `POST /v2/a/blobs/uploads/?mount=${digest}&from=`,
      request: { kind: 'blobMount', repository: 'a', digest },
    },
    {
      name: 'commit',
      line: `PUT /v2/a/blobs/uploads/id_-9?digest=${digest}`,
      request: { kind: 'uploadCommit', repository: 'a', uploadId: 'id_-9', digest },
    },
    {
      name: 'cancel',
      line: 'DELETE /v2/a/blobs/uploads/id',
      request: { kind: 'uploadCancel', repository: 'a', uploadId: 'id' },
    },
    {
      name: 'a repository of words of the grammar',
      line: 'GET /v2/blobs/uploads/manifests/tags/list',
      request: { kind: 'tags', repository: 'blobs/uploads/manifests' },
    },
    { name: 'tags, none of them', line: 'GET /v2/a/tags/list?n=0', request: { kind: 'tags', repository: 'a', n: 0 } },
    {
      name: 'artifact types, a plus unescaped',
      line: `GET /v2/a/referrers/${digest}?artifactType=a/b+c&artifactType=&artifactType=d%2Be`,
      request: { kind: 'referrers', repository: 'a', digest, artifactTypes: ['a/b+c', 'd+e'] },
    },
  ];
  for (const { name, line, request } of cases) test(name, () => expect(parse(line)).toEqual(request as never));

  const refused: { line: string; code: string }[] = [
    { line: 'GET /', code: 'NOT_FOUND' },
    { line: 'GET /v1/a/tags/list', code: 'NOT_FOUND' },
    { line: 'GET /v2/tags/list', code: 'NOT_FOUND' },
    { line: 'GET /v2/a/tags/other', code: 'NOT_FOUND' },
    { line: 'GET /v2/a/b/c', code: 'NOT_FOUND' },
    { line: 'GET /v2/a/uploads/x', code: 'NOT_FOUND' },
    { line: 'GET /v2//a/tags/list', code: 'NOT_FOUND' },
    { line: 'GET /v2/a/../b/tags/list', code: 'NOT_FOUND' },
    { line: 'GET /v2/a/%2e%2e/b/tags/list', code: 'NOT_FOUND' },
    { line: 'GET /v2/a%2fb/tags/list', code: 'NOT_FOUND' },
    { line: 'GET /v2/a%3Ab/manifests/v1', code: 'NOT_FOUND' },
    { line: 'GET /v2/a/manifests/v%31', code: 'NOT_FOUND' },
    { line: `GET /v2/a/blobs/${escaped}%3A`, code: 'NOT_FOUND' },
    { line: 'GET /v2/a\\b/tags/list', code: 'NOT_FOUND' },
    { line: 'GET /v2/A/tags/list', code: 'NAME_INVALID' },
    { line: 'GET /v2/a/manifests/-x', code: 'TAG_INVALID' },
    { line: 'GET /v2/a/manifests/', code: 'TAG_INVALID' },
    { line: 'GET /v2/a/manifests/sha256:0', code: 'DIGEST_INVALID' },
    { line: 'GET /v2/a/blobs/latest', code: 'DIGEST_INVALID' },
    { line: 'PUT /v2/a/blobs/uploads/id', code: 'DIGEST_INVALID' },
    { line: 'POST /v2/a/blobs/uploads/?digest-algorithm=md5', code: 'DIGEST_INVALID' },
    { line: `POST /v2/a/blobs/uploads/?mount=${digest}&from=B`, code: 'NAME_INVALID' },
    { line: 'PATCH /v2/a/blobs/uploads/..%2f', code: 'NOT_FOUND' },
    { line: 'PATCH /v2/a/blobs/uploads/a.b', code: 'BLOB_UPLOAD_UNKNOWN' },
    { line: 'GET /v2/_catalog?n=2147483648', code: 'PAGINATION_NUMBER_INVALID' },
    { line: 'GET /v2/a/tags/list?n=-1', code: 'PAGINATION_NUMBER_INVALID' },
    { line: 'GET /v2/a/tags/list?n=', code: 'PAGINATION_NUMBER_INVALID' },
    { line: 'GET /v2/a/manifests/v1?ns=a%0d%0aSet-Cookie:x', code: 'REQUEST_INVALID' },
    { line: 'POST /v2/', code: 'UNSUPPORTED' },
    { line: 'PATCH /v2/a/manifests/v1', code: 'UNSUPPORTED' },
    { line: `PUT /v2/a/blobs/${digest}`, code: 'UNSUPPORTED' },
    { line: 'GET /v2/a/blobs/uploads/', code: 'UNSUPPORTED' },
    { line: `PUT /v2/a/manifests/${digest}?${'tag=x&'.repeat(65)}`, code: 'URI_TOO_LONG' },
    { line: `GET /v2/${'a/'.repeat(5000)}tags/list`, code: 'URI_TOO_LONG' },
  ];
  for (const { line, code } of refused) {
    test(`${line.slice(0, 60)} is ${code}`, () => {
      expect(() => parse(line)).toThrow(expect.objectContaining({ code }));
    });
  }

  test('a method that a path does not take is told those it takes', () => {
    expect(() => parse('PATCH /v2/a/manifests/v1')).toThrow(
      expect.objectContaining({ status: 405, detail: { allow: ['GET', 'HEAD', 'PUT', 'DELETE'] } }),
    );
  });
});

function parse(line: string): RegistryRequest {
  const [method = '', target = ''] = line.split(' ');
  const mark = target.indexOf('?');
  return mark < 0 ? parseRequest(method, target) : parseRequest(method, target.slice(0, mark), target.slice(mark));
}

const repository = arbitraryRepository;
const ns = fc.constantFrom('docker.io', 'localhost:5000', '[::1]:5000');
const n = fc.nat({ max: 999_999_999 });
const last = fc.string({ minLength: 1, maxLength: 20, unit: 'binary' }).map((text) => text.toWellFormed());
const uploadId = fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/);
const reference = fc.oneof(arbitraryTag, arbitraryDigest);
const artifactTypes = fc.array(fc.stringMatching(/^application\/[a-z0-9.+-]{1,20}$/), { maxLength: 3 });
const kinds = <K extends string>(...all: K[]) => fc.constantFrom(...all);
const request: fc.Arbitrary<RegistryRequest> = fc.oneof(
  fc.record({ kind: kinds('ping') }),
  fc.record({ kind: kinds('catalog'), n, last }, { requiredKeys: ['kind'] }),
  fc.record(
    { kind: kinds('manifestGet', 'manifestHead'), repository, reference, ns },
    { requiredKeys: ['kind', 'repository', 'reference'] },
  ),
  fc.record({ kind: kinds('manifestDelete'), repository, reference }),
  fc.record({
    kind: kinds('manifestPut'),
    repository,
    reference,
    tags: fc.uniqueArray(arbitraryTag, { maxLength: 5 }),
  }),
  fc.record(
    { kind: kinds('blobGet', 'blobHead'), repository, digest: arbitraryDigest, ns },
    { requiredKeys: ['kind', 'repository', 'digest'] },
  ),
  fc.record({ kind: kinds('blobDelete', 'blobPost'), repository, digest: arbitraryDigest }),
  fc.record(
    { kind: kinds('uploadStart'), repository, algorithm: kinds('sha256', 'sha512') },
    { requiredKeys: ['kind', 'repository'] },
  ),
  fc.record(
    { kind: kinds('blobMount'), repository, digest: arbitraryDigest, from: repository },
    { requiredKeys: ['kind', 'repository', 'digest'] },
  ),
  fc.record({ kind: kinds('uploadStatus', 'uploadPatch', 'uploadCancel'), repository, uploadId }),
  fc.record({ kind: kinds('uploadCommit'), repository, uploadId, digest: arbitraryDigest }),
  fc.record({ kind: kinds('tags'), repository, n, last, ns }, { requiredKeys: ['kind', 'repository'] }),
  fc.record(
    { kind: kinds('referrers'), repository, digest: arbitraryDigest, artifactTypes, last, ns },
    { requiredKeys: ['kind', 'repository', 'digest', 'artifactTypes'] },
  ),
);

describe('the grammar both ways', () => {
  test('what is built is parsed back', () => {
    fc.assert(
      fc.property(request, (each) => {
        const { method, path } = buildRequest(each);
        expect(parse(`${method} ${path}`)).toEqual(each);
      }),
      { numRuns: 1000 },
    );
  });

  test('what is parsed is built back', () => {
    fc.assert(
      fc.property(request, (each) => {
        const built = buildRequest(each);
        expect(buildRequest(parse(`${built.method} ${built.path}`))).toEqual(built);
      }),
      { numRuns: 300 },
    );
  });

  test('anything else is a RegistryError, never another', () => {
    const method = fc.oneof(kinds('GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'TRACE'), fc.string());
    const piece = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 12 }),
      kinds(
        '/',
        '/v2/',
        'manifests',
        'blobs',
        'uploads',
        'tags',
        'list',
        'referrers',
        '%',
        '%3A',
        '%zz',
        '..',
        '?',
        '=',
        digest,
      ),
    );
    const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(
        method,
        fc.oneof(
          text,
          text.map((path) => `/v2/${path}`),
        ),
        text,
        (verb, path, query) => {
          try {
            parseRequest(verb, path, query);
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(RegistryError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
