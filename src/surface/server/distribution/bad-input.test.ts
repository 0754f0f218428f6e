import { describe, expect, test } from 'bun:test';
import { digestOf } from '#core/oci';
import { codesOf, createFixture, pushManifest } from './fixture.ts';

const digest = digestOf('x');
const long = 'a'.repeat(300);

// Registry-servers research, "CVEs as test classes": traversal, sizes, encodings. Each is answered, none is understood.
const cases = [
  { name: 'an escaped slash', method: 'GET', path: '/v2/a%2Fb/tags/list', status: 404, code: 'NOT_FOUND' },
  { name: 'escaped dots', method: 'GET', path: '/v2/..%2f..%2fetc/tags/list', status: 404, code: 'NOT_FOUND' },
  { name: 'an empty segment', method: 'GET', path: '/v2/a//b/tags/list', status: 404, code: 'NOT_FOUND' },
  { name: 'an escaped NUL', method: 'GET', path: '/v2/a%00b/tags/list', status: 404, code: 'NOT_FOUND' },
  { name: 'capitals', method: 'GET', path: '/v2/Team/tags/list', status: 400, code: 'NAME_INVALID' },
  { name: 'a long name', method: 'GET', path: `/v2/${long}/tags/list`, status: 400, code: 'NAME_INVALID' },
  { name: 'a name that ends with a dot', method: 'GET', path: '/v2/a./tags/list', status: 400, code: 'NAME_INVALID' },
  { name: 'a long tag', method: 'GET', path: `/v2/a/manifests/${long}`, status: 400, code: 'TAG_INVALID' },
  { name: 'a tag of dots', method: 'GET', path: '/v2/a/manifests/...', status: 400, code: 'TAG_INVALID' },
  { name: 'no digest', method: 'GET', path: '/v2/a/blobs/latest', status: 400, code: 'DIGEST_INVALID' },
  { name: 'a short digest', method: 'GET', path: '/v2/a/blobs/sha256:00', status: 400, code: 'DIGEST_INVALID' },
  { name: 'an unknown algorithm', method: 'GET', path: '/v2/a/blobs/md5:00', status: 400, code: 'DIGEST_INVALID' },
  { name: 'a bad subject', method: 'GET', path: '/v2/a/referrers/sha256:0', status: 400, code: 'DIGEST_INVALID' },
  { name: 'a wrong n', method: 'GET', path: '/v2/a/tags/list?n=many', status: 400, code: 'PAGINATION_NUMBER_INVALID' },
  {
    name: 'a long URL',
    method: 'GET',
    path: `/v2/a/tags/list?x=${long.repeat(40)}`,
    status: 414,
    code: 'URI_TOO_LONG',
  },
  {
    name: 'too many tags',
    method: 'PUT',
    path: `/v2/a/manifests/${digest}?${'tag=a&'.repeat(65)}`,
    status: 414,
    code: 'URI_TOO_LONG',
  },
  { name: 'no path of ours', method: 'GET', path: '/v2/a/secrets/b', status: 404, code: 'NOT_FOUND' },
  { name: 'no name', method: 'GET', path: '/v2/tags/list', status: 404, code: 'NOT_FOUND' },
  { name: 'a method that nothing takes', method: 'PURGE', path: '/v2/', status: 405, code: 'UNSUPPORTED' },
  {
    name: 'a method that this does not take',
    method: 'POST',
    path: '/v2/a/tags/list',
    status: 405,
    code: 'UNSUPPORTED',
  },
  { name: 'POST on a manifest', method: 'POST', path: '/v2/a/manifests/b', status: 405, code: 'UNSUPPORTED' },
  {
    name: 'an upload id with dots',
    method: 'GET',
    path: '/v2/a/blobs/uploads/a.b',
    status: 404,
    code: 'BLOB_UPLOAD_UNKNOWN',
  },
  {
    name: 'an upload id of nobody',
    method: 'PATCH',
    path: '/v2/a/blobs/uploads/nobody',
    status: 404,
    code: 'BLOB_UPLOAD_UNKNOWN',
  },
  {
    name: 'a commit without digest',
    method: 'PUT',
    path: '/v2/a/blobs/uploads/x',
    status: 400,
    code: 'DIGEST_INVALID',
  },
  {
    name: 'a mount of no digest',
    method: 'POST',
    path: '/v2/a/blobs/uploads/?mount=x&from=b',
    status: 400,
    code: 'DIGEST_INVALID',
  },
  {
    name: 'a mount from no name',
    method: 'POST',
    path: `/v2/a/blobs/uploads/?mount=${digest}&from=../b`,
    status: 400,
    code: 'NAME_INVALID',
  },
  {
    name: 'an algorithm that nobody knows',
    method: 'POST',
    path: '/v2/a/blobs/uploads/?digest-algorithm=md5',
    status: 400,
    code: 'DIGEST_INVALID',
  },
];

describe('bad input', () => {
  test.each(cases)('$name: $status $code', async ({ method, path, status, code }) => {
    const fixture = createFixture();
    await pushManifest(fixture, { repository: 'good', reference: 'v1' });
    const response = await fixture.send(method, path);
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await codesOf(response)).toEqual([code]);
    expect(response.headers.has('allow')).toBe(status === 405);
    expect(fixture.errors).toEqual([]);
    expect((await fixture.send('GET', '/v2/good/manifests/v1')).status).toBe(200);
  });

  test('a 405 names what the path takes', async () => {
    const response = await createFixture().send('POST', '/v2/a/manifests/b');
    expect(response.headers.get('allow')).toBe('GET, HEAD, PUT, DELETE');
  });

  test('a Content-Length that is none', async () => {
    const headers = { 'content-length': 'lots' };
    const response = await createFixture().send('PUT', '/v2/a/manifests/b', { body: '{}', headers });
    expect(await codesOf(response)).toEqual(['SIZE_INVALID']);
  });
});
