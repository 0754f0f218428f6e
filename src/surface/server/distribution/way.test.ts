import { describe, expect, test } from 'bun:test';
import { memory, type Registry, type ServedBy } from '#core/registry';
import { createFixture, pushManifest } from './fixture.ts';
import { createNames } from './name.ts';

/** A registry whose manifests come as a cache's do. */
function cache(way: () => Partial<ServedBy>): Registry {
  const inner = memory();
  const told = async <T>(answer: Promise<{ value: T; served: ServedBy }>) => {
    const { value, served } = await answer;
    return { value, served: { ...served, ...way() } };
  };
  return {
    ...inner,
    getManifest: (...args) => told(inner.getManifest(...args)),
    resolveManifest: (...args) => told(inner.resolveManifest(...args)),
  };
}

const names = createNames({ byNs: { 'docker.io': [{ prefix: '', namespace: 'hub' }] }, byHost: {}, own: [] });

describe('how an answer was come by', () => {
  const cases: {
    name: string;
    way: Partial<ServedBy>;
    age: string | null;
    cache: string | null;
    warning: string | null;
  }[] = [
    { name: 'from the store', way: {}, age: null, cache: null, warning: null },
    { name: 'fresh', way: { verdict: 'hit', ageSeconds: 61.9 }, age: '61', cache: 'hit', warning: null },
    { name: 'fetched', way: { verdict: 'miss', ageSeconds: 0 }, age: '0', cache: 'miss', warning: null },
    {
      name: 'stale',
      way: { verdict: 'stale-if-error', ageSeconds: 7200 },
      age: '7200',
      cache: 'stale-if-error',
      warning: '110 - "Response is Stale"',
    },
    {
      name: 'offline, with words of its own',
      way: { verdict: 'offline', ageSeconds: 5, warnings: ['the upstream is not asked'] },
      age: '5',
      cache: 'offline',
      warning: '112 - "Disconnected Operation", 299 - "the upstream is not asked"',
    },
  ];
  for (const { name, way, ...said } of cases) {
    test(`${name}: headers of GET and HEAD`, async () => {
      const fixture = createFixture({ registry: cache(() => way) });
      await pushManifest(fixture, { repository: 'app', reference: 'v1' });
      for (const method of ['GET', 'HEAD']) {
        const { headers } = await fixture.send(method, '/v2/app/manifests/v1');
        expect({
          age: headers.get('age'),
          cache: headers.get('x-entrepot-cache'),
          warning: headers.get('warning'),
        }).toEqual(said);
      }
    });
  }

  test('what one answer says, the next one of the same manifest does not', async () => {
    const ways: Partial<ServedBy>[] = [{ verdict: 'hit', ageSeconds: 3 }, {}, { verdict: 'offline' }, {}];
    const fixture = createFixture({ registry: cache(() => ways.shift() ?? {}) });
    await pushManifest(fixture, { repository: 'app', reference: 'v1' });
    const seen: (string | null)[] = [];
    for (let turn = 0; turn < 4; turn++) {
      const { headers } = await fixture.send('GET', '/v2/app/manifests/v1');
      seen.push(headers.get('x-entrepot-cache'), headers.get('age'), headers.get('warning'));
    }
    expect(seen).toEqual([
      'hit',
      '3',
      null,
      null,
      null,
      null,
      'offline',
      null,
      '112 - "Disconnected Operation"',
      null,
      null,
      null,
    ]);
  });

  test('the log says it in one line', async () => {
    const way = { verdict: 'stale-if-error', upstream: 'docker.io', reason: 'docker.io answers 503' };
    const fixture = createFixture({ registry: cache(() => way) });
    await pushManifest(fixture, { repository: 'app', reference: 'v1' });
    await fixture.send('GET', '/v2/app/manifests/v1');
    expect(fixture.events.at(-1)).toMatchObject(way);
  });
});

describe('a name that was resolved', () => {
  test('by ns: said back, in the log, on errors too', async () => {
    const fixture = createFixture({ names });
    await pushManifest(fixture, { repository: 'hub/library/app', reference: 'v1' });
    const found = await fixture.send('GET', '/v2/library/app/manifests/v1?ns=docker.io');
    expect([found.status, found.headers.get('oci-namespace')]).toEqual([200, 'docker.io']);
    expect(fixture.events.at(-1)).toMatchObject({
      path: '/v2/library/app/manifests/v1',
      repository: 'hub/library/app',
    });
    const missing = await fixture.send('GET', '/v2/library/app/manifests/v2?ns=docker.io');
    expect([missing.status, missing.headers.get('oci-namespace')]).toEqual([404, 'docker.io']);
    const plain = await fixture.send('GET', '/v2/hub/library/app/manifests/v1');
    expect([plain.status, plain.headers.get('oci-namespace')]).toEqual([200, null]);
  });

  test('an ns that nothing stands for is a 404 that says so', async () => {
    const fixture = createFixture({ names });
    const response = await fixture.send('GET', '/v2/vendor/app/manifests/v1?ns=quay.io');
    expect(response.status).toBe(404);
    expect(await response.text()).toContain('nothing here stands for quay.io');
  });

  test('rights are asked for by the full name', async () => {
    const asked: string[] = [];
    const access = {
      identify: () => ({ kind: 'anonymous', name: 'anonymous' }) as const,
      authorize: (_who: unknown, action: string, repository: string) => {
        asked.push(`${action} ${repository}`);
        return false;
      },
    };
    const { send } = createFixture({ names, access });
    expect((await send('GET', '/v2/library/app/manifests/v1?ns=docker.io')).status).toBe(403);
    expect(asked).toEqual(['pull hub/library/app']);
  });

  test('pages of tags lead on under the full name', async () => {
    const fixture = createFixture({ names });
    for (const tag of ['a', 'b', 'c']) await pushManifest(fixture, { repository: 'hub/app', reference: tag });
    const first = await fixture.send('GET', '/v2/app/tags/list?n=2&ns=docker.io');
    const next = /<([^>]+)>/.exec(first.headers.get('link') ?? '')?.[1] ?? '';
    expect(await (await fixture.send('GET', next)).json()).toMatchObject({ tags: ['c'] });
  });
});
