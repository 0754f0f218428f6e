import { expect, test } from 'bun:test';
import { manualClock, silentLog } from '#core/std';
import { CALL, fakeClient, HOST, REPOSITORY, TAG } from './upstream.fake.ts';
import { createUpstream } from './upstream.ts';

test('the example of the README', async () => {
  const clock = manualClock();
  const client = await fakeClient(clock);
  const [host, repository, tag, call, random, log] = [HOST, REPOSITORY, TAG, CALL, Math.random, silentLog()];
  const upstream = createUpstream({
    host,
    accounts: [{ name: 'joe', client }],
    clock,
    random,
    log,
    reserve: { pulls: 10 },
  });
  const { value } = await upstream.reader.getManifest(repository, tag, call);
  expect(upstream.state()).toMatchObject({ pulls: 1, breaker: { state: 'closed' } });
  expect(value.bytes.byteLength).toBeGreaterThan(0);
});
