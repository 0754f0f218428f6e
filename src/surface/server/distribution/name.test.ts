import { describe, expect, test } from 'bun:test';
import { isRegistryError, parseRepository, parseRequest } from '#core/oci';
import { createNames } from './name.ts';

const resolve = createNames({
  byNs: {
    'docker.io': [{ prefix: '', namespace: 'hub' }],
    'vendor.test': [
      { prefix: 'hardened/base', namespace: 'base' },
      { prefix: 'hardened', namespace: 'vendor' },
    ],
  },
  byHost: { 'hub.registry.test': 'hub', '127.0.0.1:5001': 'all' },
  own: ['registry.test'],
  canonical: (name) => (/^hub\/[^/]+$/.test(name) ? parseRepository(`hub/library/${name.slice(4)}`) : name),
});

const cases: { name: string; path: string; host?: string; is: string }[] = [
  { name: 'neither', path: 'team/app', is: 'team/app' },
  { name: 'ns', path: 'library/redis?ns=docker.io', is: 'hub/library/redis' },
  { name: 'ns by an older name', path: 'library/redis?ns=registry-1.docker.io', is: 'hub/library/redis' },
  { name: 'ns of a full name', path: 'hub/library/redis?ns=docker.io', is: 'hub/library/redis' },
  { name: 'ns with a prefix', path: 'hardened/nginx?ns=vendor.test', is: 'vendor/nginx' },
  { name: 'ns with the longer prefix', path: 'hardened/base/debian?ns=vendor.test', is: 'base/debian' },
  { name: 'ns beside the prefix', path: 'other/nginx?ns=vendor.test', is: 'NAME_UNKNOWN' },
  { name: 'ns beside the prefix, by a part of a word', path: 'hardenedx/nginx?ns=vendor.test', is: 'NAME_UNKNOWN' },
  { name: 'a short name', path: 'hub/redis', is: 'hub/library/redis' },
  { name: 'a short name by ns', path: 'redis?ns=docker.io', is: 'hub/library/redis' },
  { name: 'a short name by host', path: 'redis', host: 'hub.registry.test', is: 'hub/library/redis' },
  { name: 'a closed world', path: 'library/redis?ns=quay.io', is: 'NAME_UNKNOWN' },
  { name: 'no inherited names', path: 'library/redis?ns=constructor', is: 'NAME_UNKNOWN' },
  { name: 'ns is this server', path: 'team/app?ns=registry.test', is: 'team/app' },
  { name: 'ns is the host asked', path: 'team/app?ns=here.test', host: 'here.test', is: 'team/app' },
  { name: 'host', path: 'library/redis', host: 'hub.registry.test', is: 'hub/library/redis' },
  { name: 'host with a port', path: 'library/redis', host: '127.0.0.1:5001', is: 'all/library/redis' },
  { name: 'host of a full name', path: 'hub/library/redis', host: 'hub.registry.test', is: 'hub/library/redis' },
  { name: 'another host', path: 'library/redis', host: 'registry.test', is: 'library/redis' },
  { name: 'ns wins over host', path: 'hardened/nginx?ns=vendor.test', host: 'hub.registry.test', is: 'vendor/nginx' },
  { name: 'too long with its namespace', path: `${'a'.repeat(253)}?ns=docker.io`, is: 'NAME_INVALID' },
];

describe('the full name of what is asked for', () => {
  for (const { name, path, host = 'registry.test', is } of cases) {
    test(name, () => {
      const [repository = '', query = ''] = path.split('?');
      const search = query === '' ? '' : `?${query}`;
      for (const kind of ['manifests/latest', 'tags/list', `referrers/sha256:${'0'.repeat(64)}`]) {
        const request = parseRequest('GET', `/v2/${repository}/${kind}`, search);
        expect(outcome(() => resolve(request, host))).toBe(is);
      }
    });
  }

  test('a mount’s source too', () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    const request = parseRequest('POST', '/v2/a/blobs/uploads/', `?mount=${digest}&from=b`);
    expect(resolve(request, 'hub.registry.test')).toMatchObject({ repository: 'hub/library/a', from: 'hub/library/b' });
  });

  test('what has no name stays', () => {
    expect(resolve({ kind: 'ping' }, 'hub.registry.test')).toEqual({ kind: 'ping' });
  });
});

function outcome(resolving: () => object): unknown {
  try {
    const request = resolving();
    return 'repository' in request ? request.repository : undefined;
  } catch (thrown) {
    if (!isRegistryError(thrown)) throw thrown;
    return thrown.code;
  }
}
