import { expect, test } from 'bun:test';
import { buildRequest, parseReference, parseRequest } from './mod.ts';

test('the example of the README', () => {
  const request = parseRequest('GET', '/v2/library/redis/manifests/7.2', '?ns=docker.io');
  const { method, path } = buildRequest(request);
  const reference = parseReference('quay.io/vendor/nginx:1.27');
  expect([method, path]).toEqual(['GET', '/v2/library/redis/manifests/7.2?ns=docker.io']);
  expect(reference).toEqual({ host: 'quay.io', repository: 'vendor/nginx', tag: '1.27' } as never);
});
