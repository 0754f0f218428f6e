import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { parseRepository, type RegistryError } from '#core/oci';
import { manualClock, silentLog } from '#core/std';
import { createClient, fixedCredentials } from '#registries/client';
import { createUpstream, type Upstream } from '#registries/proxy';
import { CALL, REPOSITORY, V1 } from '../../src/registries/client/client.fake.ts';
import { type FakeUpstream, reply, startUpstream, wireError } from '../../src/registries/client/upstream.fake.ts';

/** Limits over the wire: real clients, and what their upstream makes of it. */
let fake: FakeUpstream;
beforeEach(async () => {
  fake = await startUpstream();
  fake.addImage('v1');
});
afterEach(() => fake.stop());

type Bench = { readonly upstream: Upstream; readonly clock: ReturnType<typeof manualClock> };

function benchOf(names: readonly string[] = ['joe'], reservePulls = 0): Bench {
  const clock = manualClock();
  const accounts = names.map((name) => {
    const credentials = fixedCredentials({ [fake.host]: { username: name, password: 's3:cret' } });
    const client = createClient({
      host: fake.host,
      insecure: true,
      fetch: (url, init) => fetch(url, init),
      clock,
      random: () => 0.5,
      credentials,
      onLimit: 'tell',
      retry: { attempts: 2 },
    });
    return { name, client };
  });
  const reserve = { pulls: reservePulls };
  const log = silentLog();
  return { clock, upstream: createUpstream({ host: fake.host, accounts, clock, random: () => 0.5, log, reserve }) };
}

const get = ({ upstream }: Bench) => upstream.reader.getManifest(REPOSITORY, V1, CALL);
const head = ({ upstream }: Bench) => upstream.reader.resolveManifest(REPOSITORY, V1, CALL);
async function refusalOf(attempt: Promise<unknown>): Promise<RegistryError> {
  return attempt.then(
    () => Promise.reject(new Error('it was answered')),
    (thrown) => thrown,
  );
}
const withHeaders = (pattern: RegExp, headers: Record<string, string>) =>
  fake.on(pattern, ({ response }) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    return false;
  });

describe('a reserve', () => {
  const families: { name: string; headers: Record<string, string>; againMs: number }[] = [
    {
      name: 'Docker Hub’s headers',
      headers: { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '10;w=21600' },
      againMs: 21_600_000,
    },
    {
      name: 'the draft’s headers',
      headers: { 'ratelimit-limit': '100', 'ratelimit-remaining': '10', 'ratelimit-reset': '60' },
      againMs: 60_000,
    },
    {
      name: 'x- headers',
      headers: {
        'x-ratelimit-limit': '100',
        'x-ratelimit-remaining': '10',
        'x-ratelimit-reset': String(Date.UTC(2026, 0, 1) / 1000 + 90),
      },
      againMs: 90_000,
    },
  ];
  for (const { name, headers, againMs } of families) {
    test(`by ${name}: no pull at it, HEADs go on, and pulls again after the reset`, async () => {
      withHeaders(/manifests/, headers);
      const bench = benchOf(['joe'], 10);
      await get(bench);
      expect(await refusalOf(get(bench))).toMatchObject({ code: 'TOOMANYREQUESTS', retryAfterMs: againMs });
      await head(bench);
      expect(fake.log).toHaveLength(2);
      bench.clock.advance(againMs);
      await get(bench);
    });
  }
});

describe('a refusal', () => {
  const waits: { name: string; header: string; againMs: number }[] = [
    { name: 'in seconds', header: '40', againMs: 40_000 },
    { name: 'as a date', header: 'Thu, 01 Jan 2026 00:00:20 GMT', againMs: 20_000 },
  ];
  for (const { name, header, againMs } of waits) {
    test(`with Retry-After ${name}: asked once, and again when it is over`, async () => {
      fake.on(
        /manifests/,
        ({ response }) => {
          wireError(response, 429, 'TOOMANYREQUESTS', { 'retry-after': header });
          return true;
        },
        1,
      );
      const bench = benchOf();
      for (let times = 0; times < 3; times++) {
        expect(await refusalOf(head(bench))).toMatchObject({ code: 'TOOMANYREQUESTS', retryAfterMs: againMs });
      }
      expect(fake.log).toHaveLength(1);
      bench.clock.advance(againMs);
      await head(bench);
    });
  }

  // goharbor/harbor#23750: a limited login there turned into a 404.
  test('of the token server is a limit of the account: no pull, no HEAD, no 404', async () => {
    fake.settings.auth = 'bearer';
    fake.on(/^GET \/token/, ({ response }) => {
      reply(response, 429, { 'content-type': 'text/plain' }, 'slow down');
      return true;
    });
    const bench = benchOf();
    expect(await refusalOf(get(bench))).toMatchObject({ code: 'TOOMANYREQUESTS', retryAfterMs: 30_000 });
    expect(await refusalOf(head(bench))).toMatchObject({ code: 'TOOMANYREQUESTS', retryAfterMs: 30_000 });
    expect(fake.log).toHaveLength(2);
    expect(bench.upstream.state().breaker.state).toBe('closed');
  });

  test('of one account’s token leaves the other', async () => {
    fake.settings.auth = 'bearer';
    fake.on(/^GET \/token.*account=one/, ({ response }) => {
      wireError(response, 429, 'TOOMANYREQUESTS', { 'retry-after': '60' });
      return true;
    });
    // Whoever is not "two" would be refused, if it came so far.
    fake.settings.username = 'two';
    const bench = benchOf(['one', 'two']);
    await get(bench);
    await bench.upstream.reader.tags(parseRepository('demo/other'), { limit: 1 }, CALL);
    expect(fake.log.filter((line) => line.includes('account=one'))).toHaveLength(1);
    expect(bench.upstream.state().quotas).toMatchObject([{ account: 'one', blockedUntilMs: expect.any(Number) }]);
  });
});
