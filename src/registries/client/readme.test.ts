import { expect, test } from 'bun:test';
import { parseRepository, parseTag } from '#core/oci';
import { systemClock } from '#core/std';
import { createClient, dockerConfigCredentials, firstOf, fixedCredentials } from './mod.ts';
import { startUpstream } from './upstream.fake.ts';

test('the example of the README', async () => {
  const upstream = await startUpstream({ auth: 'basic' });
  try {
    const { digest } = upstream.addImage('v1');
    const configured = {};
    const auths = { [upstream.host]: { username: 'joe', password: 's3:cret' } };
    const docker = {
      env: { DOCKER_AUTH_CONFIG: JSON.stringify({ auths }) },
      readFile: async () => '{}',
      spawn: async () => ({ exitCode: 1, stdout: '' }),
    };
    const [repository, tag] = [parseRepository('demo/app'), parseTag('v1')];
    const call = { principal: { kind: 'system', name: 'readme' }, requestId: 'r-1', purpose: 'mirror' } as const;
    const client = createClient({
      host: upstream.host,
      insecure: true,
      fetch: (url, init) => fetch(url, init),
      clock: systemClock(),
      random: Math.random,
      credentials: firstOf(fixedCredentials(configured), dockerConfigCredentials(docker)),
    });
    const { value } = await client.resolveManifest(repository, tag, call);
    expect(String(value.digest)).toBe(digest);
    expect(client.state().requests).toBe(2);
  } finally {
    await upstream.stop();
  }
});
