import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { parseChallenges } from './challenge.ts';
import { parseNextLink } from './link.ts';
import { proxyFor, proxyName } from './proxy-setting.ts';
import { quirksOf } from './quirks.ts';
import { parseRateLimit } from './rate-limit.ts';
import { createTrust, reachOfAddress, sameSite } from './trust.ts';

describe('WWW-Authenticate', () => {
  const bearer = { realm: 'https://auth.example.com/token', service: 'x', scope: 'repository:a/b:pull,push' };
  const cases: { name: string; header: string | null; expected: ReturnType<typeof parseChallenges> }[] = [
    { name: 'absent', header: null, expected: [] },
    { name: 'basic', header: 'Basic realm="a b"', expected: [{ scheme: 'basic', parameters: { realm: 'a b' } }] },
    {
      name: 'bearer with commas in quotes',
      header: 'Bearer realm="https://auth.example.com/token",service="x",scope="repository:a/b:pull,push"',
      expected: [{ scheme: 'bearer', parameters: bearer }],
    },
    {
      name: 'spaces and case',
      header: 'BEARER  Realm = "https://auth.example.com/token" , SERVICE=x,scope="repository:a/b:pull,push"',
      expected: [{ scheme: 'bearer', parameters: bearer }],
    },
    {
      name: 'two in one header',
      header: 'Basic realm="a", Bearer realm="b"',
      expected: [
        { scheme: 'basic', parameters: { realm: 'a' } },
        { scheme: 'bearer', parameters: { realm: 'b' } },
      ],
    },
    {
      name: 'one without parameters, one with a bare credential',
      header: 'Negotiate, NTLM abc/de==, Basic realm="a"',
      expected: [
        { scheme: 'negotiate', parameters: {} },
        { scheme: 'ntlm', parameters: {} },
        { scheme: 'basic', parameters: { realm: 'a' } },
      ],
    },
    {
      name: 'escapes',
      header: 'Basic realm="a\\"b\\\\c"',
      expected: [{ scheme: 'basic', parameters: { realm: 'a"b\\c' } }],
    },
    {
      name: 'a parameter twice: the first',
      header: 'Basic realm=a,realm=b',
      expected: [{ scheme: 'basic', parameters: { realm: 'a' } }],
    },
    { name: 'nonsense', header: '=,"', expected: [] },
    { name: 'an unclosed quote', header: 'Basic realm="a', expected: [{ scheme: 'basic', parameters: { realm: '' } }] },
    { name: 'endless', header: `Basic realm="${'a'.repeat(9000)}"`, expected: [] },
  ];
  for (const { name, header, expected } of cases) test(name, () => expect(parseChallenges(header)).toEqual(expected));
});

describe('headers of strangers', () => {
  const header = fc.oneof(fc.string(), fc.stringMatching(/^[ ,;=<>"\\a-z0-9/?&]{0,200}$/));

  test('are read without throwing, and the challenges found have a name', () => {
    fc.assert(
      fc.property(header, (text) => {
        parseNextLink(text);
        parseRateLimit(new Headers({ 'ratelimit-limit': text.replace(/[^ -~]/g, '') }), 0);
        expect(parseChallenges(text).every(({ scheme }) => scheme !== '')).toBe(true);
      }),
    );
  });

  test('a challenge is read as it was written', () => {
    const word = fc.stringMatching(/^[a-z]{1,8}$/);
    const parameters = fc.dictionary(word, fc.string({ unit: 'grapheme-ascii' }), {
      minKeys: 1,
      noNullPrototype: true,
    });
    fc.assert(
      fc.property(word, parameters, (scheme, values) => {
        const quoted = Object.entries(values).map(([key, value]) => `${key}="${value.replace(/["\\]/g, '\\$&')}"`);
        expect(parseChallenges(`${scheme} ${quoted.join(', ')}`)).toEqual([{ scheme, parameters: values }]);
      }),
    );
  });
});

describe('Link', () => {
  const cases: { name: string; header: string | null; expected: string | undefined }[] = [
    { name: 'absent', header: null, expected: undefined },
    { name: 'next', header: '</v2/a?n=1&last=b>; rel="next"', expected: '/v2/a?n=1&last=b' },
    { name: 'next without quotes', header: '</a?b>;rel=next', expected: '/a?b' },
    { name: 'without a rel', header: '</a?b>', expected: '/a?b' },
    { name: 'among others', header: '</p>; rel="prev", </n>; title="x, y"; rel="next"', expected: '/n' },
    { name: 'another rel', header: '</p>; rel="prev"', expected: undefined },
    { name: 'no target', header: '<>; rel="next"', expected: undefined },
    { name: 'nonsense', header: 'next please', expected: undefined },
  ];
  for (const { name, header, expected } of cases) test(name, () => expect(parseNextLink(header)).toBe(expected));
});

describe('rate limits', () => {
  const nowMs = 1_800_000_000_000;
  const cases: { name: string; headers: Record<string, string>; expected: object | undefined }[] = [
    { name: 'none', headers: {}, expected: undefined },
    {
      name: 'Docker Hub',
      headers: { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '0;w=21600' },
      expected: { limit: 100, remaining: 0, windowSeconds: 21_600, seenAtMs: nowMs },
    },
    {
      name: 'GitHub: the reset is a time',
      headers: { 'x-ratelimit-limit': '44000', 'x-ratelimit-remaining': '43999', 'x-ratelimit-reset': '1800000060' },
      expected: { limit: 44_000, remaining: 43_999, resetSeconds: 60, seenAtMs: nowMs },
    },
    { name: 'words', headers: { 'ratelimit-limit': 'many' }, expected: { seenAtMs: nowMs } },
  ];
  for (const { name, headers, expected } of cases) {
    test(name, () => expect(parseRateLimit(new Headers(headers), nowMs)).toEqual(expected as never));
  }
});

describe('proxies', () => {
  const env = {
    https: 'http://user:pw@proxy.example:3128',
    http: 'proxy.example:3128',
    no: 'localhost,.corp.example,10.0.0.0/8,reg.example:5000',
  };
  const cases: { name: string; url: string; expected: string | undefined }[] = [
    { name: 'https', url: 'https://quay.io/v2/', expected: env.https },
    { name: 'http, a proxy without a scheme', url: 'http://quay.io/v2/', expected: 'http://proxy.example:3128' },
    { name: 'exempt domain', url: 'https://a.corp.example/', expected: undefined },
    { name: 'not the domain’s look-alike', url: 'https://acorp.example/', expected: env.https },
    { name: 'exempt network', url: 'https://10.2.3.4/', expected: undefined },
    { name: 'exempt port', url: 'https://reg.example:5000/', expected: undefined },
    { name: 'another port', url: 'https://reg.example/', expected: env.https },
    { name: 'loopback', url: 'http://127.0.0.1:5000/', expected: undefined },
  ];
  for (const { name, url, expected } of cases) test(name, () => expect(proxyFor(new URL(url), { env })).toBe(expected));
  test('the registry’s own wins', () => {
    expect(proxyFor(new URL('https://10.2.3.4/'), { url: 'http://own:1', env })).toBe('http://own:1');
  });
  test('everything may be exempt', () => {
    expect(proxyFor(new URL('https://quay.io/'), { env: { ...env, no: '*' } })).toBeUndefined();
  });
  test('none', () => expect(proxyFor(new URL('https://quay.io/'), undefined)).toBeUndefined());
  test('its name has no password', () => expect(proxyName(env.https)).toBe('proxy.example:3128'));
});

describe('addresses', () => {
  const cases: { name: string; address: string; expected: string }[] = [
    { name: 'public', address: '93.184.216.34', expected: 'public' },
    { name: 'loopback', address: '127.8.9.1', expected: 'loopback' },
    { name: 'this host', address: '0.0.0.0', expected: 'loopback' },
    { name: 'metadata', address: '169.254.169.254', expected: 'linkLocal' },
    { name: 'private 10', address: '10.0.0.1', expected: 'private' },
    { name: 'private 172', address: '172.31.0.1', expected: 'private' },
    { name: 'public 172', address: '172.32.0.1', expected: 'public' },
    { name: 'private 192', address: '192.168.1.1', expected: 'private' },
    { name: 'shared', address: '100.100.100.200', expected: 'private' },
    { name: 'v6 loopback', address: '::1', expected: 'loopback' },
    { name: 'v6 link-local', address: 'fe80::1', expected: 'linkLocal' },
    { name: 'v6 unique local', address: 'fd00:ec2::254', expected: 'private' },
    { name: 'v6 mapped, as URL writes it', address: '::ffff:a9fe:a9fe', expected: 'linkLocal' },
    { name: 'v6 mapped', address: '::ffff:127.0.0.1', expected: 'loopback' },
    { name: 'NAT64', address: '64:ff9b::a9fe:a9fe', expected: 'linkLocal' },
    { name: 'v6 public', address: '2606:4700::1', expected: 'public' },
  ];
  for (const { name, address, expected } of cases)
    test(name, () => expect<string>(reachOfAddress(address)).toBe(expected));
});

describe('sites', () => {
  const cases: { name: string; one: string; other: string; expected: boolean }[] = [
    { name: 'Docker Hub', one: 'registry-1.docker.io', other: 'auth.docker.io', expected: true },
    { name: 'GitLab', one: 'registry.gitlab.com', other: 'gitlab.com', expected: true },
    { name: 'another port', one: 'registry.example.com:5050', other: 'gitlab.example.com', expected: true },
    { name: 'another owner', one: 'registry.example.com', other: 'example.org', expected: false },
    { name: 'country suffix', one: 'a.co.uk', other: 'b.co.uk', expected: false },
    { name: 'below a country suffix', one: 'r.acme.co.uk', other: 'auth.acme.co.uk', expected: true },
    { name: 'tenants of one cloud', one: 'mine.azurecr.io', other: 'theirs.azurecr.io', expected: false },
    { name: 'tenants of one host', one: 'a.github.io', other: 'b.github.io', expected: false },
    { name: 'addresses', one: '10.0.0.1', other: '10.0.0.1', expected: false },
    { name: 'single labels', one: 'registry', other: 'registry', expected: false },
  ];
  for (const { name, one, other, expected } of cases) {
    test(name, () => expect(sameSite(new URL(`https://${one}`), new URL(`https://${other}`))).toBe(expected));
  }
});

describe('targets', () => {
  const corp = async (name: string) => (name.endsWith('.corp.example') ? ['10.0.0.5'] : ['93.184.216.34']);
  const cases: { name: string; registry: string; target: string; refused: boolean; lookup?: typeof corp }[] = [
    { name: 'public to public', registry: 'https://quay.io', target: 'https://cdn.quay.io/x', refused: false },
    { name: 'public to private', registry: 'https://quay.io', target: 'https://192.168.0.1/x', refused: true },
    { name: 'public to loopback', registry: 'https://quay.io', target: 'https://localhost/x', refused: true },
    { name: 'https to http', registry: 'https://quay.io', target: 'http://cdn.quay.io/x', refused: true },
    { name: 'private to private', registry: 'http://10.0.0.1', target: 'http://10.0.0.2/x', refused: false },
    { name: 'private to loopback', registry: 'http://10.0.0.1', target: 'http://127.0.0.1/x', refused: true },
    { name: 'loopback to private', registry: 'http://127.0.0.1:5000', target: 'http://10.0.0.2/x', refused: false },
    {
      name: 'loopback to link-local',
      registry: 'http://127.0.0.1:5000',
      target: 'http://169.254.169.254/x',
      refused: true,
    },
    {
      name: 'inner names',
      registry: 'https://r.corp.example',
      target: 'https://s3.corp.example/x',
      refused: false,
      lookup: corp,
    },
    {
      name: 'outer name to inner name',
      registry: 'https://quay.io',
      target: 'https://s3.corp.example/x',
      refused: true,
      lookup: corp,
    },
    { name: 'trusted', registry: 'https://quay.io', target: 'https://10.9.9.9:9000/x', refused: false },
  ];
  for (const { name, registry, target, refused, lookup } of cases) {
    test(name, async () => {
      const url = new URL(registry);
      const trust = createTrust({ registry: url, lookup, trustedHosts: ['10.9.9.9:9000'] });
      expect((await trust.target(new URL(target), url)) !== undefined).toBe(refused);
    });
  }
});

describe('quirks by host', () => {
  const cases: { name: string; host: string; expected: object }[] = [
    { name: 'Docker Hub lives elsewhere', host: 'docker.io', expected: { apiHost: 'registry-1.docker.io' } },
    {
      name: 'ECR takes no chunks',
      host: '123456789012.dkr.ecr.eu-west-1.amazonaws.com',
      expected: { uploads: ['monolithic'], preemptive: 'basic' },
    },
    { name: 'Quay mounts from', host: 'quay.io', expected: { mount: 'from' } },
    { name: 'Google takes no chunks', host: 'europe-docker.pkg.dev', expected: { uploads: ['monolithic', 'patch'] } },
    { name: 'anything else', host: 'registry.internal:5001', expected: { mount: 'any', multiTag: 'ask' } },
  ];
  for (const { name, host, expected } of cases) test(name, () => expect(quirksOf(host)).toMatchObject(expected));
});
