import { describe, expect, test } from 'bun:test';
import { parseTag, RegistryError } from '#core/oci';
import { manualClock } from '#core/std';
import { type ProbeOptions, type ProbeRung, type ProbeStep, probeUpstream } from './probe.ts';
import { CALL, type FakeClient, fakeClient, HOST, REPOSITORY, TAG, upstreamError } from './upstream.fake.ts';

const system = (code: string, message = 'no') => Object.assign(new Error(message), { code });

async function probed(
  tools: Partial<ProbeOptions['tools']> = {},
  options: Partial<ProbeOptions> & { prepare?: (client: FakeClient) => void } = {},
): Promise<readonly ProbeRung[]> {
  const clock = manualClock();
  const client = await fakeClient(clock);
  client.ping = async () => {};
  client.limit = { limit: 100, remaining: 87, windowSeconds: 21_600 };
  const { prepare, ...rest } = options;
  prepare?.(client);
  return probeUpstream({
    host: HOST,
    url: new URL(`https://${HOST}`),
    accounts: [{ name: 'joe', client }],
    repository: REPOSITORY,
    reference: TAG,
    clock,
    call: CALL,
    tools: {
      lookup: async () => ['192.0.2.1', '192.0.2.2'],
      connect: async () => {},
      tlsConnect: async () => ({ protocol: 'TLSv1.3', issuer: 'R11', validToMs: Date.UTC(2027, 0, 1) }),
      ask: async () => ({ status: 401, authenticate: 'Bearer realm="x"' }),
      ...tools,
    },
    ...rest,
  });
}

const linesOf = (rungs: readonly ProbeRung[]) => rungs.map(({ step, outcome }) => `${step} ${outcome}`);

describe('a probe', () => {
  test('climbs from the name to the quota', async () => {
    const told: ProbeStep[] = [];
    const rungs = await probed({}, { onRung: ({ step }) => told.push(step) });
    expect(rungs.map(({ step, seen }) => `${step}: ${seen.replace(/sha256:\w+/, 'DIGEST')}`)).toEqual([
      'dns: registry.test is 192.0.2.1, 192.0.2.2',
      'tcp: 192.0.2.1 port 443 answers',
      'tls: TLSv1.3, certificate by R11, valid to 2027-01-01',
      'ping: a registry, which asks for Bearer authentication',
      'token: "joe" is accepted',
      'scope: library/redis:7 is DIGEST',
      'quota: 87 of 100 in 6 h left',
    ]);
    expect(rungs.every(({ outcome }) => outcome === 'ok')).toBe(true);
    expect(told).toEqual(['dns', 'tcp', 'tls', 'ping', 'token', 'scope', 'quota']);
  });

  const failures: {
    name: string;
    at: ProbeStep;
    tools?: Partial<ProbeOptions['tools']>;
    prepare?: (client: FakeClient) => void;
    reference?: ReturnType<typeof parseTag>;
    seen: string;
    fix: string;
  }[] = [
    {
      name: 'a name that is unknown',
      at: 'dns',
      tools: { lookup: () => Promise.reject(system('ENOTFOUND')) },
      seen: 'ENOTFOUND',
      fix: 'check the spelling of registry.test',
    },
    {
      name: 'a name without address',
      at: 'dns',
      tools: { lookup: async () => [] },
      seen: 'no address',
      fix: 'spelling',
    },
    {
      name: 'nothing that listens',
      at: 'tcp',
      tools: { connect: () => Promise.reject(system('ECONNREFUSED')) },
      seen: 'ECONNREFUSED',
      fix: 'nothing listens on the port',
    },
    {
      name: 'an old certificate',
      at: 'tls',
      tools: { tlsConnect: () => Promise.reject(system('CERT_HAS_EXPIRED', 'certificate has expired')) },
      seen: 'certificate has expired',
      fix: 'renew',
    },
    {
      name: 'an authority of strangers',
      at: 'tls',
      tools: { tlsConnect: () => Promise.reject(system('SELF_SIGNED_CERT_IN_CHAIN')) },
      seen: 'SELF_SIGNED',
      fix: 'set registries."registry.test".ca',
    },
    {
      name: 'a page for browsers',
      at: 'ping',
      tools: { ask: async () => ({ status: 302, authenticate: null }) },
      seen: '/v2/ answered 302',
      fix: 'no registry',
    },
    {
      name: 'a wrong password',
      at: 'token',
      prepare: (client) => {
        client.ping = () =>
          Promise.reject(new RegistryError('UNAUTHORIZED', 'refused', { hint: 'check the password' }));
      },
      seen: 'refused',
      fix: 'check the password',
    },
    {
      name: 'a right that is lacking',
      at: 'scope',
      prepare: (client) => {
        client.before = () => upstreamError('DENIED', { why: 'it said no' });
      },
      seen: 'it said no',
      fix: 'give the account the right to pull library/redis',
    },
    {
      name: 'an image that is not there',
      at: 'scope',
      reference: parseTag('nope'),
      seen: 'nope',
      fix: 'no such image',
    },
    {
      name: 'a limit that is used up',
      at: 'quota',
      prepare: (client) => {
        client.limit = { limit: 100, remaining: 0 };
      },
      seen: '0 of 100 left',
      fix: 'wait for the window',
    },
  ];
  for (const { name, at, tools = {}, seen, fix, ...options } of failures) {
    test(`says of ${name} what it is and what to do, and goes no further`, async () => {
      const rungs = await probed(tools, options);
      const steps = rungs.map(({ step }) => step);
      expect(linesOf(rungs)).toEqual(
        steps.map((step, index) => {
          if (step === at) return `${step} failed`;
          return `${step} ${index < steps.indexOf(at) ? 'ok' : 'skipped'}`;
        }),
      );
      const broken = rungs.find(({ outcome }) => outcome === 'failed');
      expect(broken?.seen).toContain(seen);
      expect(broken?.fix).toContain(fix);
    });
  }

  test('an address that does not answer leaves the next', async () => {
    const connect = async (address: string) => {
      if (address === '192.0.2.1') throw system('ETIMEDOUT');
    };
    expect((await probed({ connect }))[1]?.seen).toBe('192.0.2.2 port 443 answers');
  });

  const skips: { name: string; options: Partial<ProbeOptions>; expected: string[] }[] = [
    {
      name: 'plain HTTP has no TLS',
      options: { url: new URL('http://registry.test:5000') },
      expected: ['tls'],
    },
    { name: 'a proxy resolves and connects', options: { proxy: 'proxy:3128' }, expected: ['dns', 'tcp', 'tls'] },
  ];
  for (const { name, options, expected } of skips) {
    test(name, async () => {
      const skipped = (await probed({}, options)).filter(({ outcome }) => outcome === 'skipped');
      expect(skipped.map(({ step }) => step as string)).toEqual(expected);
    });
  }

  test('each account has its own steps, whatever became of the one before', async () => {
    const clock = manualClock();
    const bad = await fakeClient(clock);
    bad.ping = () => Promise.reject(upstreamError('UNAUTHORIZED'));
    const good = await fakeClient(clock);
    good.ping = async () => {};
    const rungs = await probed(
      {},
      {
        accounts: [
          { name: 'bad', client: bad },
          { name: 'anonymous', client: good },
        ],
      },
    );
    expect(rungs.slice(4).map(({ account, step, outcome }) => `${account} ${step} ${outcome}`)).toEqual([
      'bad token failed',
      'bad scope skipped',
      'bad quota skipped',
      'anonymous token ok',
      'anonymous scope ok',
      'anonymous quota skipped',
    ]);
  });
});
