import { type Digest, parseRepository, parseTag } from '#core/oci';
import type { Call, Registry } from '#core/registry';
import { systemClock } from '#core/std';
import { type Client, type ClientOptions, createClient } from './client.ts';
import type { FakeUpstream } from './upstream.fake.ts';

export const CALL: Call = { principal: { kind: 'system', name: 'test' }, requestId: 'test-1', purpose: 'mirror' };
export const REPOSITORY = parseRepository('demo/app');
export const V1 = parseTag('v1');

/** A client of a fake upstream that never waits long; waits are recorded. */
export function clientOf(upstream: FakeUpstream, options: Partial<ClientOptions> = {}): Client & { waits: number[] } {
  const waits: number[] = [];
  const clock = systemClock();
  const client = createClient({
    host: upstream.host,
    insecure: true,
    fetch: (url, init) => fetch(url, init),
    clock: {
      now: clock.now,
      sleep: async (delayMs, signal) => {
        waits.push(delayMs);
        signal?.throwIfAborted();
      },
    },
    random: () => 0.5,
    timeouts: { responseMs: 2000, idleMs: 2000, commitMs: 2000 },
    ...options,
  });
  return Object.assign(client, { waits });
}

/** The bytes of a blob, read to the end. */
export async function blobBytes(
  registry: Registry,
  digest: string,
  range?: { start: number; end?: number },
): Promise<Uint8Array> {
  const { value } = await registry.getBlob(REPOSITORY, digest as Digest, range ? { range } : {}, CALL);
  if (value.kind !== 'stream') throw new Error(`a ${value.kind} where a stream was expected`);
  return new Uint8Array(await new Response(value.body).arrayBuffer());
}

/** What a promise was rejected with. */
export async function failureOf(
  promise: Promise<unknown>,
): Promise<Error & { code?: string; why?: string; hint?: string }> {
  return promise.then(
    (value) => {
      throw new Error(`nothing was thrown, but ${JSON.stringify(value)} answered`);
    },
    (thrown) => thrown,
  );
}

/** A stream of the bytes in pieces. */
export function inPieces(bytes: Uint8Array, pieceBytes: number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.byteLength) return controller.close();
      controller.enqueue(bytes.slice(at, at + pieceBytes));
      at += pieceBytes;
    },
  });
}
