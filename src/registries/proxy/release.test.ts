import { expect, test } from 'bun:test';
import { digestOf, MediaType, RegistryError } from '#core/oci';
import { bodyOf, type Call, memory, memoryCache } from '#core/registry';
import { repo } from '#core/registry/contract';
import { type ByteStream, silentLog, systemClock } from '#core/std';
import { cached } from './cached.ts';
import { someBytes } from './flight/flight.fake.ts';
import { createFlights } from './flight/flights.ts';
import { memoryProxyState } from './memory-state.ts';
import { HUB, PULL, RULES } from './proxy.fake.ts';
import type { ProxyRegistry } from './proxy.ts';
import type { AccountClient } from './upstream/types.ts';
import { createUpstream } from './upstream/upstream.ts';

const BYTES = 150_000;
const BLOBS = Array.from({ length: 12 }, (_, nth) => {
  const bytes = someBytes(BYTES + nth);
  return { bytes, digest: digestOf(bytes) };
});

/** The same numbers each time. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

/** A client whose answers come late, break, hang or never come. */
function moodyClient(random: () => number): AccountClient & { open(): number } {
  const registry = memory();
  let open = 0;
  const mood = async (call: Call) => {
    await Bun.sleep(random() * 3);
    call.signal?.throwIfAborted();
    if (random() < 0.1) throw new RegistryError('UPSTREAM_UNAVAILABLE', 'it is down', { origin: 'upstream' });
    if (random() < 0.05) await new Promise((_, reject) => call.signal?.addEventListener('abort', reject));
  };
  return {
    ...registry,
    state: () => ({}),
    open: () => open,
    async resolveBlob(_, digest, call) {
      await Bun.sleep(random() * 3);
      call.signal?.throwIfAborted();
      const size = BLOBS.find((each) => each.digest === digest)?.bytes.byteLength ?? 0;
      return { value: { mediaType: MediaType.octets, digest, size }, served: { by: 'moody', warnings: [] } };
    },
    async getBlob(_, digest, { range }, call) {
      await mood(call);
      const bytes = BLOBS.find((each) => each.digest === digest)?.bytes ?? new Uint8Array();
      let at = range?.start ?? 0;
      open++;
      let isOpen = true;
      const end = () => {
        if (isOpen) open--;
        isOpen = false;
      };
      const body = new ReadableStream<Uint8Array>(
        {
          async pull(controller) {
            if (random() < 0.2) await Bun.sleep(random() * 2);
            if (!isOpen) return;
            if (random() < 0.03) {
              end();
              return controller.error(new Error('the line broke'));
            }
            const next = Math.min(bytes.byteLength, at + 8000);
            if (next > at) controller.enqueue(bytes.slice(at, next));
            at = next;
            if (at < bytes.byteLength) return;
            end();
            controller.close();
          },
          cancel: end,
        },
        { highWaterMark: 0 },
      );
      const descriptor = { mediaType: MediaType.octets, digest, size: bytes.byteLength };
      const handOver = () => ({ body, end });
      const extra = random() < 0.5 ? { handOver } : {};
      return { value: { kind: 'stream', descriptor, body, ...extra }, served: { by: 'moody', warnings: [] } };
    },
  };
}

/** Reads a body to its end, or leaves it. */
async function readOrLeave(body: ByteStream, random: () => number): Promise<Uint8Array | undefined> {
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  while (true) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks);
    chunks.push(value);
    if (random() >= 0.02) continue;
    await reader.cancel();
    return undefined;
  }
}

/** Pulls a blob or a range; often gives up before the headers, before the body, or in it. */
async function pull(proxy: ProxyRegistry, random: () => number, nth: number): Promise<void> {
  const { digest, bytes } = BLOBS[Math.floor(random() * BLOBS.length)] ?? nothing();
  const controller = new AbortController();
  const leave = () => controller.abort(new Error('left'));
  const leaving = setTimeout(leave, random() < 0.5 ? random() * 20 : 60_000);
  const start = random() < 0.3 ? Math.floor(random() * BYTES) : 0;
  try {
    const call = { ...PULL, signal: controller.signal };
    const { value } = await proxy.getBlob(repo(`hub/acme/${nth % 3}`), digest, { range: { start } }, call);
    if (random() < 0.1) return leave();
    const read = await readOrLeave(bodyOf(value), random);
    if (read) expect(Buffer.compare(read, bytes.subarray(start))).toBe(0);
  } catch (thrown) {
    if (controller.signal.aborted) return;
    if (!(thrown instanceof RegistryError)) throw thrown;
    expect(thrown.status).toBeGreaterThanOrEqual(429);
  } finally {
    clearTimeout(leaving);
  }
}

function nothing(): never {
  throw new Error('there are no blobs');
}

for (const { name, limits } of [
  { name: 'unlimited', limits: { connections: 3, waitMs: 10_000 } },
  { name: 'paced', limits: { connections: 3, bytesPerSecond: 50_000_000, waitMs: 10_000 } },
]) {
  test(`however readers come and go, nothing of an upstream stays in use: ${name}`, async () => {
    const random = numbers(7);
    const clock = systemClock();
    const store = memoryCache();
    const client = moodyClient(random);
    const shared = { clock, log: silentLog(), random, observe: () => {} };
    const breaker = { failures: 1000 };
    const upstream = createUpstream({ ...shared, host: 'moody', accounts: [{ name: 'a', client }], limits, breaker });
    const flights = createFlights({
      ...shared,
      parts: store.cache.parts,
      link: store.cache.linkBlob,
      limits: { retry: { attempts: 3, baseMs: 1, maxMs: 3 }, idleMs: 100, answerMs: 50, heldBackBytes: 1000 },
    });
    const state = memoryProxyState(clock);
    const upstreams = [{ upstream, prefix: '' }];
    const proxy = cached({ ...shared, namespace: HUB, store, flights, upstreams, rules: RULES, state });

    for (let round = 0; round < 8; round++) {
      await Promise.all(Array.from({ length: 40 }, (_, nth) => pull(proxy, random, nth)));
    }
    for (let waits = 0; flights.list().length > 0 && waits < 500; waits++) await Bun.sleep(10);
    await Bun.sleep(20);
    expect(flights.list()).toEqual([]);
    expect(upstream.state()).toMatchObject({ active: 0, waiting: 0 });
    expect(client.open()).toBe(0);
    await flights.close();
    await proxy.close();
    await upstream.close();
  });
}
