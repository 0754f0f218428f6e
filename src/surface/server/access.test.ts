import { describe, expect, test } from 'bun:test';
import { parseRepository } from '#core/oci';
import { type Action, createStaticAccess } from './access.ts';
import { codesOf, createFixture, pushManifest } from './distribution/fixture.ts';

const anonymous = { kind: 'anonymous', name: 'anonymous' } as const;

describe('static access', () => {
  const access = createStaticAccess({
    anonymous: [
      { repositories: ['hub/**', 'team/*'], actions: ['pull'] },
      { repositories: ['team/app'], actions: ['push'] },
    ],
  });
  const cases: { repository: string; action: Action; allowed: boolean }[] = [
    { repository: 'hub/library/redis', action: 'pull', allowed: true },
    { repository: 'hub', action: 'pull', allowed: false },
    { repository: 'team/app', action: 'push', allowed: true },
    { repository: 'team/app', action: 'delete', allowed: false },
    { repository: 'team/app/x', action: 'pull', allowed: false },
    { repository: 'other', action: 'pull', allowed: false },
  ];
  test.each(cases)('$action $repository: $allowed', ({ repository, action, allowed }) => {
    expect(access.authorize(anonymous, action, parseRepository(repository))).toBe(allowed);
  });
});

describe('what each request needs', () => {
  const digest = `sha256:${'0'.repeat(64)}`;
  const requests: { name: string; method: string; path: string; action: Action }[] = [
    { name: 'a manifest', method: 'GET', path: '/v2/app/manifests/v1', action: 'pull' },
    { name: 'a blob', method: 'HEAD', path: `/v2/app/blobs/${digest}`, action: 'pull' },
    { name: 'tags', method: 'GET', path: '/v2/app/tags/list', action: 'pull' },
    { name: 'referrers', method: 'GET', path: `/v2/app/referrers/${digest}`, action: 'pull' },
    { name: 'an upload', method: 'POST', path: '/v2/app/blobs/uploads/', action: 'push' },
    { name: 'a single POST', method: 'POST', path: `/v2/app/blobs/uploads/?digest=${digest}`, action: 'push' },
    { name: 'a mount', method: 'POST', path: `/v2/app/blobs/uploads/?mount=${digest}`, action: 'push' },
    { name: 'an upload’s state', method: 'GET', path: '/v2/app/blobs/uploads/x', action: 'push' },
    { name: 'an upload’s end', method: 'PUT', path: `/v2/app/blobs/uploads/x?digest=${digest}`, action: 'push' },
    { name: 'a cancel', method: 'DELETE', path: '/v2/app/blobs/uploads/x', action: 'push' },
    { name: 'a manifest put', method: 'PUT', path: '/v2/app/manifests/v2', action: 'push' },
    { name: 'a tag’s end', method: 'DELETE', path: '/v2/app/manifests/v1', action: 'delete' },
    { name: 'a blob’s end', method: 'DELETE', path: `/v2/app/blobs/${digest}`, action: 'delete' },
  ];
  const others: Record<Action, Action[]> = {
    pull: ['push', 'delete'],
    push: ['pull', 'delete'],
    delete: ['pull', 'push'],
  };
  test.each(requests)('$name needs $action', async ({ method, path, action }) => {
    const everything = createFixture();
    await pushManifest(everything, { repository: 'app', reference: 'v1' });
    const { registry } = everything;
    const as = (actions: Action[]) =>
      createFixture({ registry, access: createStaticAccess({ anonymous: [{ repositories: ['app'], actions }] }) });
    const refused = await as(others[action]).send(method, path);
    expect(refused.status).toBe(403);
    if (method !== 'HEAD') expect(await codesOf(refused)).toEqual(['DENIED']);
    expect(refused.headers.has('www-authenticate')).toBe(false);
    expect((await as([action]).send(method, path)).status).not.toBe(403);
  });
});
