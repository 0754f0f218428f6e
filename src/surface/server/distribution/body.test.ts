import { describe, expect, test } from 'bun:test';
import type { RegistryError } from '#core/oci';
import { type ByteStream, manualClock } from '#core/std';
import { pacedBody } from './body.ts';

/** A clock whose sleepers wake when the test lets a window pass. */
function steppedClock() {
  const clock = manualClock();
  let wake: (() => void) | undefined;
  let sleepers = 0;
  return {
    now: clock.now,
    sleepers: () => sleepers,
    sleep: (_delayMs: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        sleepers += 1;
        wake = resolve;
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      }),
    async pass(ms: number) {
      // Whoever asked for bytes is waiting for them by now.
      await Bun.sleep(0);
      clock.advance(ms);
      wake?.();
      await Bun.sleep(0);
    },
  };
}

function setUp() {
  const clock = steppedClock();
  const state = { bytes: 0, slow: false, cancelled: false };
  let feed: ReadableStreamDefaultController<Uint8Array> | undefined;
  const source: ByteStream = new ReadableStream({
    start(controller) {
      feed = controller;
    },
    cancel() {
      state.cancelled = true;
    },
  });
  const body = pacedBody(source, {
    sender: { windowMs: 1000, minBytesPerWindow: 100 },
    clock,
    onBytes: (sizeBytes) => {
      state.bytes += sizeBytes;
    },
    onSlow: () => {
      state.slow = true;
    },
  });
  return { clock, state, reader: body.getReader(), send: (size: number) => feed?.enqueue(new Uint8Array(size)), feed };
}

describe('a paced body', () => {
  test('passes bytes on and counts them', async () => {
    const { reader, send, feed, state } = setUp();
    send(10);
    expect((await reader.read()).value?.byteLength).toBe(10);
    feed?.close();
    expect((await reader.read()).done).toBe(true);
    expect(state).toEqual({ bytes: 10, slow: false, cancelled: false });
  });

  test('errs when the sender trickles', async () => {
    const { clock, reader, send, state } = setUp();
    send(50);
    await reader.read();
    const waiting = reader.read().catch((error: RegistryError) => error.code);
    await clock.pass(1000);
    expect(await waiting).toBe('REQUEST_TIMEOUT');
    expect(state).toEqual({ bytes: 50, slow: true, cancelled: true });
  });

  test('bears a sender that brings enough in each window', async () => {
    const { clock, reader, send, state } = setUp();
    for (let window = 0; window < 3; window += 1) {
      const reading = reader.read();
      await clock.pass(400);
      send(100);
      await reading;
      await clock.pass(600);
    }
    expect(state).toEqual({ bytes: 300, slow: false, cancelled: false });
  });

  test('bears a reader that is slow itself', async () => {
    const { clock, reader, send, state } = setUp();
    send(1);
    await reader.read();
    // Nobody asks for bytes: the disk is busy.
    await clock.pass(5000);
    expect(state.slow).toBe(false);
    send(1);
    expect((await reader.read()).done).toBe(false);
  });

  test('watches nobody before somebody reads', () => {
    const { clock } = setUp();
    expect(clock.sleepers()).toBe(0);
  });
});
