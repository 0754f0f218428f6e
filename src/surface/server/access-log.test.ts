import { expect, test } from 'bun:test';
import { type AccessEvent, accessLine } from './access-log.ts';
import { createFixture, pushManifest } from './distribution/fixture.ts';

const event: AccessEvent = {
  timeMs: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
  requestId: 'abc-1',
  kind: 'manifestGet',
  method: 'GET',
  path: '/v2/app/manifests/v1',
  status: 200,
  durationMs: 0.12345,
  bytesIn: 0,
  bytesOut: 700,
  address: '127.0.0.1',
  principal: 'anonymous',
  userAgent: 'test "agent"\n\u0007\\',
  code: undefined,
  by: 'memory',
  verdict: undefined,
  upstream: undefined,
  reason: undefined,
  repository: undefined,
  cut: false,
};

test('a line is JSON with what the event says', () => {
  const line = accessLine(event);
  expect(line.endsWith('}\n')).toBe(true);
  const { timeMs, code, verdict, upstream, reason, repository, cut, ...rest } = event;
  expect(JSON.parse(line)).toEqual({
    level: 'info',
    time: '2026-01-02T03:04:05.006Z',
    message: 'request',
    ...rest,
    durationMs: 0.123,
  });
  expect([code, verdict, upstream, reason, repository]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  expect([timeMs, cut]).toEqual([event.timeMs, false]);
  const way = { verdict: 'miss', upstream: 'docker.io', reason: 'not here\nyet', repository: 'hub/library/redis' };
  expect(JSON.parse(accessLine({ ...event, ...way }))).toMatchObject(way);
  const refused = { code: 'DENIED', upstream: 'docker.io', reason: 'a rule says no' };
  expect(JSON.parse(accessLine({ ...event, ...refused }))).toMatchObject(refused);
  expect(JSON.parse(accessLine({ ...event, code: 'DENIED', verdict: 'hit', cut: true }))).toMatchObject({
    code: 'DENIED',
    verdict: 'hit',
    cut: true,
  });
});

test('a stranger’s header makes no second line and no long one', () => {
  const line = accessLine({ ...event, userAgent: `"}\n{"level":"error"${'x'.repeat(10_000)}` });
  expect(line.indexOf('\n')).toBe(line.length - 1);
  expect(line.length).toBeLessThan(1500);
});

test('each request is one event, without its query and without headers that hold secrets', async () => {
  const fixture = createFixture();
  await pushManifest(fixture, { repository: 'app', reference: 'v1' });
  fixture.events.length = 0;
  const headers = { authorization: 'Bearer hunter2', 'user-agent': 'crane' };
  const response = await fixture.send('GET', '/v2/app/manifests/v1?token=hunter2', { headers });
  await fixture.send('GET', '/v2/app/manifests/nothing');
  await fixture.send('GET', '/v2/A/manifests/nothing');
  expect(fixture.events).toMatchObject([
    { kind: 'manifestGet', status: 200, userAgent: 'crane', by: 'memory', path: '/v2/app/manifests/v1' },
    { kind: 'manifestGet', status: 404, code: 'MANIFEST_UNKNOWN', reason: 'app has no manifest nothing' },
    { kind: 'invalid', status: 400, code: 'NAME_INVALID' },
  ]);
  expect(fixture.events[0]?.requestId).toBe(response.headers.get('x-request-id') ?? 'none');
  expect(fixture.events[0]?.bytesOut).toBe((await response.bytes()).length);
  expect(fixture.events.map(accessLine).join('')).not.toContain('hunter2');
});
