import { expect, test } from 'bun:test';
import { parseRepository, parseTag } from '#core/oci';
import { systemClock } from '#core/std';
import { createClient, firstOf, fixedCredentials, noCredentials } from './mod.ts';
import { startUpstream } from './upstream.fake.ts';

test('the example of the README', async () => {
  const upstream = await startUpstream({ auth: 'basic' });
  try {
    const { digest } = upstream.addImage('v1');
    const client = createClient({
      host: upstream.host,
      insecure: true,
      fetch: (url, init) => fetch(url, init),
      clock: systemClock(),
      random: Math.random,
      credentials: firstOf(
        noCredentials,
        fixedCredentials({ [upstream.host]: { username: 'joe', password: 's3:cret' } }),
      ),
    });
    const call = { principal: { kind: 'system', name: 'readme' }, requestId: 'r-1', purpose: 'mirror' } as const;
    const { value } = await client.resolveManifest(parseRepository('demo/app'), parseTag('v1'), call);
    expect(String(value.digest)).toBe(digest);
    expect(client.state().requests).toBe(2);
  } finally {
    await upstream.stop();
  }
});
