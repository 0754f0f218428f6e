import { describe, expect, test } from 'bun:test';
import type { Call } from '#core/registry';
import { memoryUpstreams } from './memory.ts';
import {
  type Bench,
  benchOf,
  CALL,
  failureOf,
  LAYER,
  LAYER_DIGEST,
  REPOSITORY,
  TAG,
  upstreamError,
} from './upstream.fake.ts';

const get = ({ upstream }: Bench, call: Call = CALL) => upstream.reader.getManifest(REPOSITORY, TAG, call);
const head = ({ upstream }: Bench) => upstream.reader.resolveManifest(REPOSITORY, TAG, CALL);
const blob = ({ upstream }: Bench, call: Call = CALL) => upstream.reader.getBlob(REPOSITORY, LAYER_DIGEST, {}, call);
const DOWN = upstreamError('UPSTREAM_UNAVAILABLE', { why: 'nothing listens there' });

describe('the breaker', () => {
  const kinds: { name: string; failure: unknown; opens: boolean }[] = [
    {
      name: '5xx',
      failure: upstreamError('UPSTREAM_UNAVAILABLE', { upstream: { registry: 'x', status: 503 } }),
      opens: true,
    },
    { name: 'a timeout', failure: upstreamError('UPSTREAM_TIMEOUT'), opens: true },
    { name: 'no connection, no name, no TLS', failure: DOWN, opens: true },
    { name: 'a proxy that fails', failure: upstreamError('PROXY_FAILED'), opens: true },
    { name: '404', failure: upstreamError('MANIFEST_UNKNOWN'), opens: false },
    { name: '401', failure: upstreamError('UNAUTHORIZED'), opens: false },
    { name: '403', failure: upstreamError('DENIED'), opens: false },
    { name: 'a wrong answer', failure: upstreamError('UPSTREAM_INVALID'), opens: false },
    { name: 'our own fault', failure: new Error('no password file'), opens: false },
  ];
  for (const { name, failure, opens } of kinds) {
    test(`${name} ${opens ? 'opens it' : 'does not open it'}`, async () => {
      const bench = await benchOf();
      bench.client.before = () => failure;
      for (let times = 0; times < 5; times++) await head(bench).catch(() => {});
      expect(bench.upstream.state().breaker.state).toBe(opens ? 'open' : 'closed');
      expect(bench.client.log).toHaveLength(opens ? 3 : 5);
    });
  }

  test('a caller that gives up does not open it', async () => {
    const bench = await benchOf();
    for (let times = 0; times < 5; times++) {
      const controller = new AbortController();
      bench.client.before = () => {
        controller.abort(new Error('enough'));
        return DOWN;
      };
      await failureOf(get(bench, { ...CALL, signal: controller.signal }));
    }
    expect(bench.client.log).toHaveLength(5);
    expect(bench.upstream.state()).toMatchObject({ breaker: { state: 'closed', failures: 0 }, active: 0 });
  });

  test('open, it answers at once: what opened it, and when it asks again', async () => {
    const bench = await benchOf();
    bench.client.before = () => DOWN;
    for (let times = 0; times < 3; times++) await failureOf(head(bench));
    bench.clock.advance(1000);
    const failure = await failureOf(get(bench));
    expect(failure).toMatchObject({ code: 'UPSTREAM_UNAVAILABLE', origin: 'upstream', retryAfterMs: 4000 });
    expect(failure.message).toContain('next try at 2026-01-01T00:00:05.000Z');
    expect(failure.why).toContain('nothing listens there');
    expect(bench.client.log).toHaveLength(3);
  });

  test('half open, one asks and the others do not wait; its success closes it', async () => {
    const bench = await benchOf();
    bench.client.before = () => DOWN;
    for (let times = 0; times < 3; times++) await failureOf(head(bench));
    bench.clock.advance(5000);
    const answer = Promise.withResolvers<undefined>();
    bench.client.before = () => answer.promise;
    const probe = head(bench);
    await Bun.sleep(0);
    expect((await failureOf(get(bench))).message).toContain('one request is finding out now');
    answer.resolve(undefined);
    await probe;
    await get(bench);
    expect(bench.upstream.state().breaker.state).toBe('closed');
    const states = bench.events.flatMap((event) => (event.kind === 'breaker' ? [event.breaker.state] : []));
    expect(states).toEqual(['open', 'half-open', 'closed']);
  });
});

describe('quota', () => {
  const HUB = { limit: 100, windowSeconds: 21_600 };

  test('at the reserve manifests stop; HEADs, blobs and lists go on', async () => {
    const bench = await benchOf({ reserve: { pulls: 10 } });
    bench.client.limit = { ...HUB, remaining: 10 };
    await get(bench);
    const failure = await failureOf(get(bench));
    expect(failure).toMatchObject({ code: 'TOOMANYREQUESTS', retryAfterMs: 21_600_000 });
    expect(failure.why).toBe('10 of 100 pulls are left to joe, and 10 are kept for others who use it (limits.reserve)');
    await head(bench);
    await bench.upstream.reader.tags(REPOSITORY, { limit: 10 }, CALL);
    const { value } = await blob(bench);
    if (value.kind === 'stream') await value.body.cancel();
    expect(bench.client.log).toHaveLength(4);
    expect(bench.upstream.state()).toMatchObject({ pulls: 1, reservePulls: 10 });
  });

  test('warming leaves more', async () => {
    const bench = await benchOf();
    bench.client.limit = { ...HUB, remaining: 25 };
    await get(bench);
    expect((await failureOf(get(bench, { ...CALL, purpose: 'warm' }))).code).toBe('TOOMANYREQUESTS');
    await get(bench);
  });

  test('a herd does not spend more than there is', async () => {
    const bench = await benchOf();
    bench.client.limit = { ...HUB, remaining: 3 };
    await get(bench);
    bench.client.before = () => Bun.sleep(1);
    bench.client.limit = { ...HUB, remaining: 0 };
    const all = await Promise.allSettled(Array.from({ length: 10 }, () => get(bench)));
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
  });

  test('when the window is over pulls go on', async () => {
    const bench = await benchOf();
    bench.client.limit = { ...HUB, remaining: 0 };
    await get(bench);
    await failureOf(get(bench));
    bench.clock.advance(21_600_000);
    await get(bench);
  });

  const refusals: { name: string; options: object; pullAfterMs: number; headAfterMs: number }[] = [
    { name: 'Retry-After', options: { retryAfterMs: 7000 }, pullAfterMs: 7000, headAfterMs: 7000 },
    { name: 'no Retry-After', options: {}, pullAfterMs: 30_000, headAfterMs: 0 },
    {
      name: 'the token server’s, without Retry-After',
      options: { upstream: { registry: 'x', status: 429, endpoint: 'token' } },
      pullAfterMs: 30_000,
      headAfterMs: 30_000,
    },
  ];
  for (const { name, options, pullAfterMs, headAfterMs } of refusals) {
    test(`a 429 with ${name}`, async () => {
      const bench = await benchOf();
      bench.client.before = () => upstreamError('TOOMANYREQUESTS', options);
      expect(await failureOf(get(bench))).toMatchObject({ code: 'TOOMANYREQUESTS', retryAfterMs: pullAfterMs });
      bench.client.before = () => undefined;
      expect(await failureOf(get(bench))).toMatchObject({ code: 'TOOMANYREQUESTS', retryAfterMs: pullAfterMs });
      if (headAfterMs > 0) expect((await failureOf(head(bench))).retryAfterMs).toBe(headAfterMs);
      else await head(bench);
      bench.clock.advance(pullAfterMs);
      await get(bench);
    });
  }

  test('what was learned outlives the process', async () => {
    const memory = memoryUpstreams();
    const before = await benchOf({ memory });
    before.client.limit = { ...HUB, remaining: 0 };
    await get(before);
    before.client.before = () => upstreamError('UPSTREAM_TIMEOUT');
    for (let times = 0; times < 3; times++) await failureOf(head(before));
    await before.upstream.close();
    const after = await benchOf({ memory });
    expect(await failureOf(head(after))).toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
    after.clock.advance(5000);
    await head(after);
    expect(await failureOf(get(after))).toMatchObject({ code: 'TOOMANYREQUESTS' });
    expect(after.upstream.state().quotas).toMatchObject([{ account: 'joe', remaining: 0 }]);
  });

  test('a memory that cannot be read stops nobody', async () => {
    const memory = { ...memoryUpstreams(), load: () => Promise.reject(new Error('disk')) };
    await get(await benchOf({ memory }));
  });
});

describe('several accounts', () => {
  const names = ['one', 'two'];
  const pulls = ({ clients }: Bench) => clients.map(({ log }) => log.length);

  test('the one with the most left is asked', async () => {
    const bench = await benchOf({ names });
    const [one, two] = bench.clients;
    if (one) one.limit = { limit: 100, windowSeconds: 60, remaining: 5 };
    if (two) two.limit = { limit: 200, windowSeconds: 60, remaining: 50 };
    for (let times = 0; times < 6; times++) await get(bench);
    expect(pulls(bench)).toEqual([1, 5]);
  });

  test('one that is limited is left out at once', async () => {
    const bench = await benchOf({ names });
    const [one] = bench.clients;
    if (one) one.before = () => upstreamError('TOOMANYREQUESTS', { retryAfterMs: 60_000 });
    await get(bench);
    await get(bench);
    expect(pulls(bench)).toEqual([1, 2]);
    expect(bench.upstream.state().quotas).toMatchObject([{ account: 'one', blockedUntilMs: expect.any(Number) }]);
  });

  test('what one may not see the other may', async () => {
    const bench = await benchOf({ names });
    const [one] = bench.clients;
    if (one) one.before = () => upstreamError('DENIED');
    await get(bench);
    expect(pulls(bench)).toEqual([1, 1]);
  });

  test('what none may see is refused in the words of the first', async () => {
    const bench = await benchOf({ names });
    const [one, two] = bench.clients;
    if (one) one.before = () => upstreamError('DENIED', { why: 'first' });
    if (two) two.before = () => upstreamError('TOOMANYREQUESTS');
    expect(await failureOf(get(bench))).toMatchObject({ code: 'DENIED', why: 'first' });
  });

  test('one for some repositories is asked for those alone, and first', async () => {
    const bench = await benchOf({ names, serves: [undefined, (name) => name.startsWith('library/')] });
    await get(bench);
    expect(pulls(bench)).toEqual([0, 1]);
    await bench.upstream.reader.repositories({ limit: 1 }, CALL);
    expect(pulls(bench)).toEqual([1, 1]);
  });

  test('where none is for a repository that is said', async () => {
    const bench = await benchOf({ serves: [() => false] });
    expect((await failureOf(get(bench))).code).toBe('UPSTREAM_DENIED');
    expect(bench.client.log).toEqual([]);
  });
});

describe('blobs', () => {
  const streamOfBlob = async (bench: Bench, call?: Call) => {
    const { value } = await blob(bench, call);
    if (value.kind !== 'stream') throw new Error(`a ${value.kind} where a stream was expected`);
    return value;
  };
  const ends: { name: string; bytes: number; end: (value: Awaited<ReturnType<typeof streamOfBlob>>) => unknown }[] = [
    { name: 'read to the end', bytes: LAYER.byteLength, end: ({ body }) => new Response(body).arrayBuffer() },
    { name: 'left', bytes: 0, end: ({ body }) => body.cancel() },
    { name: 'handed over', bytes: LAYER.byteLength, end: ({ handOver }) => handOver?.().end() },
    { name: 'handed over and cut', bytes: 7, end: ({ handOver }) => handOver?.().end(new Error('x'), 7) },
  ];
  for (const { name, bytes, end } of ends) {
    test(`a body that is ${name} gives its connection back then`, async () => {
      const bench = await benchOf();
      const value = await streamOfBlob(bench);
      expect(bench.upstream.state().active).toBe(1);
      await end(value);
      expect(bench.upstream.state()).toMatchObject({ active: 0, bytes });
      expect(bench.events.filter(({ kind }) => kind === 'upstream')).toMatchObject([{ operation: 'getBlob', bytes }]);
    });
  }

  test('a call that is cut gives it back too', async () => {
    const bench = await benchOf();
    const controller = new AbortController();
    await streamOfBlob(bench, { ...CALL, signal: controller.signal });
    controller.abort();
    await Bun.sleep(0);
    expect(bench.upstream.state().active).toBe(0);
  });

  test('unlimited, what is handed over is left as it is', async () => {
    const bench = await benchOf();
    const marked = new ReadableStream<Uint8Array>();
    const inner = bench.client.getBlob;
    bench.client.getBlob = async (...question) => {
      const { value, served } = await inner(...question);
      if (value.kind !== 'stream') throw new Error('no stream');
      return { value: { ...value, handOver: () => ({ body: marked, end: () => {} }) }, served };
    };
    expect((await streamOfBlob(bench)).handOver?.().body).toBe(marked);
  });

  test('limited, bodies take their time, both ways of reading them', async () => {
    const bench = await benchOf({ limits: { bytesPerSecond: 8 } });
    const startMs = bench.clock.now();
    await new Response((await streamOfBlob(bench)).body).arrayBuffer();
    const handed = (await streamOfBlob(bench)).handOver?.();
    await new Response(handed?.body).arrayBuffer();
    handed?.end();
    // 42 bytes at 8 a second, less the turn that waits for nothing.
    expect(bench.clock.now() - startMs).toBeGreaterThan(4500);
    expect(bench.upstream.state()).toMatchObject({ active: 0, bytes: 2 * LAYER.byteLength });
  });
});

describe('events', () => {
  const outcomes: { name: string; failure: unknown; outcome: string }[] = [
    { name: 'an answer', failure: undefined, outcome: 'ok' },
    { name: '404', failure: upstreamError('MANIFEST_UNKNOWN'), outcome: 'not-found' },
    { name: '429', failure: upstreamError('TOOMANYREQUESTS'), outcome: 'limited' },
    { name: '401', failure: upstreamError('UNAUTHORIZED'), outcome: 'refused' },
    { name: '5xx', failure: DOWN, outcome: 'failed' },
    { name: 'a timeout', failure: upstreamError('UPSTREAM_TIMEOUT'), outcome: 'timeout' },
    { name: 'a lie', failure: upstreamError('UPSTREAM_INVALID'), outcome: 'invalid' },
  ];
  for (const { name, failure, outcome } of outcomes) {
    test(`${name} is ${outcome}`, async () => {
      const bench = await benchOf();
      bench.client.before = () => failure;
      await get(bench).catch(() => {});
      const told = bench.events.filter(({ kind }) => kind === 'upstream');
      expect(told).toMatchObject([{ operation: 'getManifest', outcome, durationMs: 0 }]);
      expect(bench.upstream.state().active).toBe(0);
    });
  }
});
