import { afterEach, describe, expect, test } from 'bun:test';
import { parseDigest, parseRepository } from '#core/oci';
import { CALL, clientOf, failureOf, REPOSITORY, V1 } from './client.fake.ts';
import { type CredentialSource, fixedCredentials } from './credential.ts';
import { type FakeSettings, type FakeUpstream, reply, startUpstream } from './upstream.fake.ts';

let upstream: FakeUpstream | undefined;
afterEach(async () => {
  await upstream?.stop();
  upstream = undefined;
});

async function started(settings: Partial<FakeSettings>): Promise<FakeUpstream> {
  upstream = await startUpstream(settings);
  upstream.addImage('v1');
  return upstream;
}

const joe = (fake: FakeUpstream, password = 's3:cret'): CredentialSource =>
  fixedCredentials({ [fake.host]: { username: 'joe', password } });
const identity: CredentialSource = async () => ({ kind: 'identity', token: 'refresh-me', source: 'test' });

const PULL = 'GET /token?service=fake&scope=repository%3Ademo%2Fapp%3Apull';

describe('authentication', () => {
  test('nobody is asked for what an open registry gives', async () => {
    const fake = await started({});
    await clientOf(fake, { credentials: joe(fake) }).resolveManifest(REPOSITORY, V1, CALL);
    expect(fake.log).toEqual(['HEAD /v2/demo/app/manifests/v1']);
    expect(fake.authorizations).toEqual([undefined]);
  });

  test('basic: one refusal, then credentials with every request', async () => {
    const fake = await started({ auth: 'basic' });
    const client = clientOf(fake, { credentials: joe(fake) });
    await client.resolveManifest(REPOSITORY, V1, CALL);
    await client.resolveManifest(REPOSITORY, V1, CALL);
    expect(fake.log).toEqual(Array(3).fill('HEAD /v2/demo/app/manifests/v1'));
  });

  test('basic before being asked saves the refusal', async () => {
    const fake = await started({ auth: 'basic' });
    await clientOf(fake, { credentials: joe(fake), quirks: { preemptive: 'basic' } }).resolveManifest(
      REPOSITORY,
      V1,
      CALL,
    );
    expect(fake.log).toEqual(['HEAD /v2/demo/app/manifests/v1']);
  });

  test('bearer: one token for a repository, kept for its life', async () => {
    const fake = await started({ auth: 'bearer' });
    const client = clientOf(fake, { credentials: joe(fake) });
    await client.resolveManifest(REPOSITORY, V1, CALL);
    await client.getManifest(REPOSITORY, V1, CALL);
    expect(fake.log).toEqual([
      'HEAD /v2/demo/app/manifests/v1',
      `${PULL}&account=joe`,
      'HEAD /v2/demo/app/manifests/v1',
      'GET /v2/demo/app/manifests/v1',
    ]);
    expect(client.state()).toMatchObject({ requests: 4, tokenRequests: 1 });
  });

  test('bearer: a second repository needs no refusal any more', async () => {
    const fake = await started({ auth: 'bearer' });
    const client = clientOf(fake, { credentials: joe(fake) });
    await client.resolveManifest(REPOSITORY, V1, CALL);
    fake.log.length = 0;
    await client.resolveManifest(parseRepository('demo/other'), V1, CALL);
    expect(fake.log).toEqual([
      'GET /token?service=fake&scope=repository%3Ademo%2Fother%3Apull&account=joe',
      'HEAD /v2/demo/other/manifests/v1',
    ]);
  });

  test('bearer: whoever will push asks for it with the first token', async () => {
    const fake = await started({ auth: 'bearer' });
    const client = clientOf(fake, { credentials: joe(fake), pushes: (name) => name === REPOSITORY });
    await client.resolveManifest(REPOSITORY, V1, CALL);
    await client.startUpload(REPOSITORY, {}, CALL);
    expect(fake.log.filter((line) => line.includes('/token'))).toEqual([
      'GET /token?service=fake&scope=repository%3Ademo%2Fapp%3Apull%2Cpush&account=joe',
    ]);
  });

  test('bearer: anonymous tokens where there are no credentials', async () => {
    const fake = await started({ auth: 'bearer' });
    await clientOf(fake).resolveManifest(REPOSITORY, V1, CALL);
    expect(fake.log[1]).toBe(PULL);
    expect(fake.authorizations[1]).toBeUndefined();
  });

  test('bearer: many at once wait for one token', async () => {
    const fake = await started({ auth: 'bearer' });
    const client = clientOf(fake, { credentials: joe(fake) });
    await Promise.all(Array.from({ length: 8 }, () => client.getManifest(REPOSITORY, V1, CALL)));
    expect(client.state().tokenRequests).toBe(1);
  });

  test('bearer: a token past its life is fetched again, without a refusal', async () => {
    const fake = await started({ auth: 'bearer', tokenTtlSeconds: 60 });
    let nowMs = 1_800_000_000_000;
    const clock = { now: () => nowMs, sleep: async () => {} };
    const client = clientOf(fake, { credentials: joe(fake), clock });
    await client.resolveManifest(REPOSITORY, V1, CALL);
    nowMs += 55_000;
    await client.resolveManifest(REPOSITORY, V1, CALL);
    expect(fake.log.slice(3)).toEqual([`${PULL}&account=joe`, 'HEAD /v2/demo/app/manifests/v1']);
  });

  test('bearer: a token that was revoked is replaced', async () => {
    const fake = await started({ auth: 'bearer' });
    const client = clientOf(fake, { credentials: joe(fake) });
    await client.resolveManifest(REPOSITORY, V1, CALL);
    fake.on(
      /^HEAD /,
      ({ response }) => {
        const bearer = `Bearer realm="${fake.url}/token",service="fake",error="invalid_token"`;
        reply(response, 401, { 'www-authenticate': bearer });
        return true;
      },
      1,
    );
    await client.resolveManifest(REPOSITORY, V1, CALL);
    expect(client.state().tokenRequests).toBe(2);
  });

  test('an identity token goes by POST to the token server', async () => {
    const fake = await started({ auth: 'bearer' });
    await clientOf(fake, { credentials: identity }).resolveManifest(REPOSITORY, V1, CALL);
    expect(fake.log[1]).toBe('POST /token');
  });

  test('a token server without GET gets the password by POST', async () => {
    const fake = await started({ auth: 'bearer' });
    fake.on(/^GET \/token/, ({ response }) => {
      reply(response, 405, {});
      return true;
    });
    await clientOf(fake, { credentials: joe(fake) }).resolveManifest(REPOSITORY, V1, CALL);
    expect(fake.log.slice(1, 3).map((line) => line.slice(0, 11))).toEqual(['GET /token?', 'POST /token']);
  });

  test('basic is used where bearer is not offered first', async () => {
    const fake = await started({ auth: 'basic' });
    fake.on(
      /^HEAD /,
      ({ response }) => {
        reply(response, 401, { 'www-authenticate': ['Negotiate', 'Basic realm="x, y"'] });
        return true;
      },
      1,
    );
    const client = clientOf(fake, { credentials: joe(fake) });
    expect((await client.resolveManifest(REPOSITORY, V1, CALL)).value.size).toBeGreaterThan(0);
  });

  test('a wrong password says who was refused for what, and not the password', async () => {
    const fake = await started({ auth: 'bearer' });
    const failure = await failureOf(
      clientOf(fake, { credentials: joe(fake, 'wr0ng') }).resolveManifest(REPOSITORY, V1, CALL),
    );
    expect(failure.code).toBe('UNAUTHORIZED');
    expect(failure.hint).toContain('"joe" (the configuration)');
    expect(failure.hint).toContain('repository:demo/app:pull');
    expect(Bun.inspect(failure)).not.toContain('wr0ng');
  });

  test('anonymous where reading needs a name: UNAUTHORIZED with the way out', async () => {
    const fake = await started({ auth: 'basic' });
    const failure = await failureOf(clientOf(fake).getManifest(REPOSITORY, V1, CALL));
    expect(failure.code).toBe('UNAUTHORIZED');
    expect(failure.hint).toContain('anonymous');
    expect(failure.why).toContain('unauthorized it is');
    expect(fake.log).toHaveLength(1);
  });

  test('a pull token is not enough to push: the registry is believed after one more try', async () => {
    const fake = await started({ auth: 'bearer' });
    const failure = await failureOf(clientOf(fake).startUpload(REPOSITORY, {}, CALL));
    expect(failure.code).toBe('UNAUTHORIZED');
    expect(fake.log.length).toBeLessThanOrEqual(4);
  });

  test('a password that was rotated is read again after a refusal', async () => {
    const fake = await started({ auth: 'basic' });
    let password = 's3:cret';
    const credentials: CredentialSource = async () => ({ kind: 'basic', username: 'joe', password, source: 'a file' });
    const client = clientOf(fake, { credentials });
    await client.resolveManifest(REPOSITORY, V1, CALL);
    fake.settings.password = 'n3w';
    password = 'n3w';
    expect((await client.resolveManifest(REPOSITORY, V1, CALL)).value.size).toBeGreaterThan(0);
  });

  test('a token server that answers without a token is named', async () => {
    const fake = await started({ auth: 'bearer' });
    fake.on(/^GET \/token/, ({ response }) => {
      reply(response, 200, {}, '{"tok":1}');
      return true;
    });
    const failure = await failureOf(clientOf(fake).resolveManifest(REPOSITORY, V1, CALL));
    expect(failure.code).toBe('UPSTREAM_INVALID');
    expect(failure.message).toContain('without a token');
  });

  test('a token server that stumbles is asked again', async () => {
    const fake = await started({ auth: 'bearer' });
    fake.on(
      /^GET \/token/,
      ({ response }) => {
        reply(response, 503, {});
        return true;
      },
      2,
    );
    const client = clientOf(fake, { credentials: joe(fake) });
    expect((await client.resolveManifest(REPOSITORY, V1, CALL)).value.size).toBeGreaterThan(0);
    expect(client.state().tokenRequests).toBe(3);
  });

  test('a mount asks for both repositories with one token', async () => {
    const fake = await started({ auth: 'bearer' });
    const client = clientOf(fake, { credentials: joe(fake) });
    const { layerDigest } = fake.addImage('v1');
    const options = { from: parseRepository('demo/other'), mayRead: () => true };
    await client.mountBlob(REPOSITORY, parseDigest(layerDigest), options, CALL);
    const [asked = ''] = fake.log.filter((line) => line.startsWith('GET /token'));
    expect(new URLSearchParams(asked.slice(asked.indexOf('?'))).getAll('scope')).toEqual([
      'repository:demo/app:pull,push',
      'repository:demo/other:pull',
    ]);
    expect(client.state().tokenRequests).toBe(1);
  });
});
