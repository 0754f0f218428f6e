import { expect, test } from 'bun:test';
import { parseRequest } from '#core/oci';
import { createReader } from './reader.ts';

test('reads as parseRequest does, the second time too', () => {
  const read = createReader();
  const path = '/v2/team/app/manifests/v1';
  for (let time = 0; time < 2; time += 1) {
    for (const method of ['GET', 'HEAD', 'DELETE']) expect(read(method, path)).toEqual(parseRequest(method, path));
    expect(read('GET', path, '?ns=docker.io')).toEqual(parseRequest('GET', path, '?ns=docker.io'));
    expect(() => read('GET', '/v2/Team/manifests/v1')).toThrow('is not a repository name');
  }
});

test('remembers a bounded number of paths', () => {
  const read = createReader();
  const first = read('GET', '/v2/app/manifests/v0');
  expect(read('GET', '/v2/app/manifests/v0')).toBe(first);
  for (let tag = 1; tag < 5000; tag += 1) read('GET', `/v2/app/manifests/v${tag}`);
  expect(read('GET', '/v2/app/manifests/v0')).not.toBe(first);
});
