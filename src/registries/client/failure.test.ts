import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { MediaType, parseTag } from '#core/oci';
import { CALL, clientOf, failureOf, REPOSITORY, V1 } from './client.fake.ts';
import { type FakeUpstream, reply, startUpstream, wireError } from './upstream.fake.ts';

let fake: FakeUpstream;
beforeEach(async () => {
  fake = await startUpstream();
});
afterEach(() => fake.stop());

describe('refusals', () => {
  const cases: {
    name: string;
    status: number;
    code: string;
    headers?: Record<string, string>;
    body?: string;
    expected: string;
    requests?: number;
  }[] = [
    { name: '404', status: 404, code: 'MANIFEST_UNKNOWN', expected: 'MANIFEST_UNKNOWN' },
    { name: '404 of the repository', status: 404, code: 'NAME_UNKNOWN', expected: 'NAME_UNKNOWN' },
    { name: '404 by a proxy', status: 404, code: 'whatever', expected: 'MANIFEST_UNKNOWN' },
    { name: '403', status: 403, code: 'DENIED', expected: 'DENIED' },
    { name: '400', status: 400, code: 'NAME_INVALID', expected: 'NAME_INVALID' },
    { name: '400 in words of its own', status: 400, code: 'HUH', expected: 'REQUEST_INVALID' },
    { name: '418', status: 418, code: 'INTERNAL', expected: 'REQUEST_INVALID' },
    { name: '204', status: 204, code: 'X', expected: 'UPSTREAM_INVALID' },
    { name: '500', status: 500, code: 'UNKNOWN', expected: 'UPSTREAM_UNAVAILABLE', requests: 5 },
    { name: '503', status: 503, code: 'UNAVAILABLE', expected: 'UPSTREAM_UNAVAILABLE', requests: 5 },
    { name: '504', status: 504, code: 'X', expected: 'UPSTREAM_TIMEOUT', requests: 5 },
    { name: '501', status: 501, code: 'X', expected: 'UNSUPPORTED' },
    { name: '429', status: 429, code: 'TOOMANYREQUESTS', expected: 'TOOMANYREQUESTS', requests: 5 },
  ];
  for (const { name, status, code, expected, requests } of cases) {
    test(`${name} is ${expected}`, async () => {
      fake.on(/^GET /, ({ response }) => {
        wireError(response, status, code, { 'x-request-id': 'r-1' });
        return true;
      });
      const failure = await failureOf(clientOf(fake).getManifest(REPOSITORY, V1, CALL));
      expect(failure).toMatchObject({
        code: expected,
        origin: 'upstream',
        upstream: {
          registry: fake.host,
          request: `GET ${fake.url}/v2/demo/app/manifests/v1`,
          status,
          requestId: 'r-1',
          attempts: requests ?? 1,
        },
      });
      expect(fake.log).toHaveLength(requests ?? 1);
    });
  }

  test('the upstream’s own words stand in the error', async () => {
    fake.on(/^GET /, ({ response }) => {
      wireError(response, 403, 'DENIED');
      return true;
    });
    const failure = await failureOf(clientOf(fake).getManifest(REPOSITORY, V1, CALL));
    expect(failure.why).toContain('DENIED: denied it is');
  });

  test('an endless error body is read to its bound', async () => {
    fake.on(/^GET /, ({ response }) => {
      reply(response, 403, {}, 'e'.repeat(5_000_000));
      return true;
    });
    const failure = await failureOf(clientOf(fake).getManifest(REPOSITORY, V1, CALL));
    expect(failure.code).toBe('DENIED');
    expect(failure.why?.length).toBeLessThan(400);
  });

  test('403 for what is hidden, where the product is known to do so', async () => {
    fake.on(/^HEAD /, ({ response }) => {
      reply(response, 403, {});
      return true;
    });
    const client = clientOf(fake, { quirks: { deniedMeansUnknown: true } });
    expect((await failureOf(client.resolveManifest(REPOSITORY, V1, CALL))).code).toBe('MANIFEST_UNKNOWN');
  });
});

describe('trying again', () => {
  const flaky = (times: number, headers: Record<string, string> = {}, status = 503) =>
    fake.on(
      /^GET /,
      ({ response }) => {
        reply(response, status, headers);
        return true;
      },
      times,
    );

  test('waits grow, and success ends it', async () => {
    fake.addImage('v1');
    flaky(3);
    const client = clientOf(fake);
    await client.getManifest(REPOSITORY, V1, CALL);
    expect(client.waits).toEqual([500, 1000, 2000]);
  });

  test('Retry-After in seconds is waited for', async () => {
    fake.addImage('v1');
    flaky(1, { 'retry-after': '7' }, 429);
    const client = clientOf(fake);
    await client.getManifest(REPOSITORY, V1, CALL);
    expect(client.waits).toEqual([7000]);
  });

  test('Retry-After as a date is waited for', async () => {
    fake.addImage('v1');
    flaky(1, { 'retry-after': 'Thu, 01 Jan 2026 00:00:20 GMT' }, 429);
    const waits: number[] = [];
    const clock = {
      now: () => Date.UTC(2026, 0, 1),
      sleep: async (delayMs: number) => {
        waits.push(delayMs);
      },
    };
    await clientOf(fake, { clock }).getManifest(REPOSITORY, V1, CALL);
    expect(waits).toEqual([20_000]);
  });

  test('a Retry-After of an hour is told instead of waited for', async () => {
    flaky(9, { 'retry-after': '3600' }, 429);
    const client = clientOf(fake);
    const failure = await failureOf(client.getManifest(REPOSITORY, V1, CALL));
    expect(failure).toMatchObject({ code: 'TOOMANYREQUESTS', retryAfterMs: 3_600_000 });
    expect(fake.log).toHaveLength(1);
    expect(client.waits).toEqual([]);
  });

  test('whoever has another way is told of a limit at once', async () => {
    for (const headers of [{}, { 'retry-after': '1' }]) flaky(1, headers, 429);
    const client = clientOf(fake, { onLimit: 'tell' });
    expect((await failureOf(client.getManifest(REPOSITORY, V1, CALL))).code).toBe('TOOMANYREQUESTS');
    const failure = await failureOf(client.getManifest(REPOSITORY, V1, CALL));
    expect(failure).toMatchObject({ code: 'TOOMANYREQUESTS', retryAfterMs: 1000 });
    expect(client.waits).toEqual([]);
  });

  test('whoever has another way is told of a pause or a silence at once', async () => {
    const timeouts = { responseMs: 30, idleMs: 30, commitMs: 30 };
    const client = clientOf(fake, { onLimit: 'tell', timeouts });
    flaky(1, { 'retry-after': '20' }, 503);
    const paused = await failureOf(client.getManifest(REPOSITORY, V1, CALL));
    expect(paused).toMatchObject({ code: 'UPSTREAM_UNAVAILABLE', retryAfterMs: 20_000 });
    fake.on(/manifests/, () => true);
    expect((await failureOf(client.getManifest(REPOSITORY, V1, CALL))).code).toBe('UPSTREAM_TIMEOUT');
    expect(fake.log).toHaveLength(2);
    expect(client.waits).toEqual([]);
  });

  // goharbor/harbor#23750: there clients saw a 404.
  test('a token server that is limited is TOOMANYREQUESTS, and said to be the token server', async () => {
    fake.settings.auth = 'bearer';
    fake.on(/^GET \/token/, ({ response }) => {
      wireError(response, 429, 'TOOMANYREQUESTS', { 'retry-after': '90' });
      return true;
    });
    const failure = await failureOf(clientOf(fake).getManifest(REPOSITORY, V1, CALL));
    expect(failure).toMatchObject({
      code: 'TOOMANYREQUESTS',
      retryAfterMs: 90_000,
      upstream: { status: 429, endpoint: 'token' },
    });
    expect(failure.message).toStartWith('the token server of ');
    expect(fake.log).toHaveLength(2);
  });

  test('a connection that breaks before an answer', async () => {
    fake.addImage('v1');
    fake.on(
      /^GET /,
      ({ response }) => {
        response.destroy();
        return true;
      },
      2,
    );
    await clientOf(fake).getManifest(REPOSITORY, V1, CALL);
    expect(fake.log).toHaveLength(3);
  });

  test('one that breaks every time was reached, and says so', async () => {
    fake.on(/^GET /, ({ response }) => {
      response.destroy();
      return true;
    });
    const failure = await failureOf(clientOf(fake).getManifest(REPOSITORY, V1, CALL));
    expect(failure.code).toBe('UPSTREAM_UNAVAILABLE');
    expect(failure.message).toContain('broke off GET');
    expect(failure.hint).toContain('try again later');
  });

  test('an upstream that hangs is UPSTREAM_TIMEOUT', async () => {
    fake.on(/^GET /, () => true);
    const client = clientOf(fake, { timeouts: { responseMs: 30, idleMs: 30, commitMs: 30 }, retry: { attempts: 2 } });
    const failure = await failureOf(client.getManifest(REPOSITORY, V1, CALL));
    expect(failure.code).toBe('UPSTREAM_TIMEOUT');
    expect(fake.log).toHaveLength(2);
  });

  test('nobody there is UPSTREAM_UNAVAILABLE with the address', async () => {
    const client = clientOf(fake);
    await fake.stop();
    const failure = await failureOf(client.getManifest(REPOSITORY, V1, CALL));
    expect(failure.code).toBe('UPSTREAM_UNAVAILABLE');
    expect(failure.why).toContain('ECONNREFUSED');
    fake = await startUpstream();
  });

  test('the caller’s signal ends the waiting', async () => {
    fake.on(/^GET /, () => true);
    const controller = new AbortController();
    const reading = clientOf(fake).getManifest(REPOSITORY, V1, { ...CALL, signal: controller.signal });
    setTimeout(() => controller.abort(new Error('enough')), 20);
    await expect(reading).rejects.toThrow('enough');
    expect(fake.log).toHaveLength(1);
  });

  test('requests in flight stay within the limit', async () => {
    fake.addImage('v1');
    let flying = 0;
    let most = 0;
    fake.on(/^GET /, async () => {
      flying++;
      most = Math.max(most, flying);
      await new Promise((resolve) => setTimeout(resolve, 5));
      flying--;
      return false;
    });
    const client = clientOf(fake, { quirks: { concurrency: 3 } });
    await Promise.all(
      Array.from({ length: 12 }, (_, index) => client.getManifest(REPOSITORY, index % 2 ? V1 : parseTag('v1'), CALL)),
    );
    expect(most).toBe(3);
  });

  test('rate limits are kept and told', async () => {
    const { manifest } = fake.addImage('v1');
    fake.on(/^GET /, ({ response }) => {
      reply(
        response,
        200,
        {
          'content-type': MediaType.ociManifest,
          'ratelimit-limit': '100;w=21600',
          'ratelimit-remaining': '87;w=21600',
          'docker-ratelimit-source': '192.0.2.1',
        },
        manifest,
      );
      return true;
    });
    const client = clientOf(fake);
    await client.getManifest(REPOSITORY, V1, CALL);
    expect(client.state().rateLimit).toMatchObject({
      limit: 100,
      remaining: 87,
      windowSeconds: 21_600,
      source: '192.0.2.1',
    });
  });
});
