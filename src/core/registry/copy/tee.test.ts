import { describe, expect, test } from 'bun:test';
import { digestOf, MediaType } from '#core/oci';
import { type ByteStream, collectBytes, streamFrom, systemClock } from '#core/std';
import { createTee, StallError, type TeeSource } from './tee.ts';

const CHUNK = 1024;
const CHUNKS = 64;
const CONTENT = new Uint8Array(CHUNK * CHUNKS).map((_, index) => index % 251);
const EXPECTED = { mediaType: MediaType.octets, digest: digestOf(CONTENT), size: CONTENT.byteLength };

function source(content = CONTENT, onRead: (bytes: number) => void = () => {}): TeeSource {
  async function* chunks() {
    for (let offset = 0; offset < content.byteLength; offset += CHUNK) {
      onRead(offset + CHUNK);
      yield content.subarray(offset, offset + CHUNK);
    }
  }
  return { body: streamFrom(chunks()), verified: false };
}

const OPTIONS = { count: 3, bufferBytes: 4 * CHUNK, stallMs: 20_000, clock: systemClock() };
const whole = (body: ByteStream) => collectBytes(body, CONTENT.byteLength, () => new Error('too long'));
const failure = (work: Promise<unknown>) =>
  work.then(
    () => 'a clean end',
    (thrown: unknown) => thrown,
  );

describe('a tee', () => {
  test('gives every branch the whole content', async () => {
    const tee = createTee(OPTIONS);
    const [, ...got] = await Promise.all([tee.run(source(), EXPECTED), ...tee.branches.map(({ body }) => whole(body))]);
    for (const bytes of got) expect(digestOf(bytes)).toBe(EXPECTED.digest);
  });

  test('an empty content ends cleanly', async () => {
    const tee = createTee({ ...OPTIONS, count: 1 });
    const empty = { mediaType: MediaType.octets, digest: digestOf(''), size: 0 };
    const [, bytes] = await Promise.all([
      tee.run(source(new Uint8Array()), empty),
      whole(tee.branches[0]?.body ?? source().body),
    ]);
    expect(bytes.byteLength).toBe(0);
  });

  const LIES = [
    { name: 'another content of the right size', content: CONTENT.map((byte) => byte ^ 1), code: 'DIGEST_INVALID' },
    { name: 'too little', content: CONTENT.subarray(0, CONTENT.byteLength - 1), code: 'SIZE_INVALID' },
    { name: 'too much', content: new Uint8Array([...CONTENT, 0]), code: 'SIZE_INVALID' },
  ];
  test.each(LIES)(
    '$name never ends cleanly on any branch, and its last bytes are held back',
    async ({ content, code }) => {
      const tee = createTee(OPTIONS);
      let longest = 0;
      const read = async (body: ByteStream) => {
        let bytes = 0;
        for await (const chunk of body) {
          bytes += chunk.byteLength;
          longest = Math.max(longest, bytes);
        }
      };
      const ends = await Promise.all([
        failure(tee.run(source(content), EXPECTED)),
        ...tee.branches.map(({ body }) => failure(read(body))),
      ]);
      for (const end of ends) expect(end).toMatchObject({ code });
      expect(longest).toBeLessThan(EXPECTED.size);
    },
  );

  test('a reader that fails leaves the others alone', async () => {
    const tee = createTee(OPTIONS);
    const [first, second, third] = tee.branches;
    const ends = await Promise.all([
      tee.run(source(), EXPECTED),
      first?.body.cancel(),
      second && whole(second.body),
      third && whole(third.body),
    ]);
    expect(ends.slice(2).map((bytes) => digestOf(bytes as Uint8Array))).toEqual([EXPECTED.digest, EXPECTED.digest]);
  });

  test('holds no more than its buffer for a slow reader, who sets the pace', async () => {
    const tee = createTee({ ...OPTIONS, count: 2 });
    const [fast, slow] = tee.branches;
    let readBytes = 0;
    let takenBytes = 0;
    let mostHeld = 0;
    const crawl = async (body: ByteStream) => {
      for await (const chunk of body) {
        takenBytes += chunk.byteLength;
        mostHeld = Math.max(mostHeld, readBytes - takenBytes);
        await Bun.sleep(0);
      }
    };
    const feed = source(CONTENT, (bytes) => {
      readBytes = bytes;
    });
    await Promise.all([tee.run(feed, EXPECTED), fast && whole(fast.body), slow && crawl(slow.body)]);
    expect(takenBytes).toBe(EXPECTED.size);
    expect(mostHeld).toBeLessThanOrEqual(OPTIONS.bufferBytes + 4 * CHUNK);
  });

  test('a reader that stands still is left behind; the others get everything', async () => {
    const tee = createTee({ ...OPTIONS, stallMs: 10 });
    const [still, second, third] = tee.branches;
    const [, ...got] = await Promise.all([
      tee.run(source(), EXPECTED),
      second && whole(second.body),
      third && whole(third.body),
    ]);
    for (const bytes of got) expect(digestOf(bytes ?? '')).toBe(EXPECTED.digest);
    expect(still?.failure).toBeInstanceOf(StallError);
    expect(await failure(whole(still?.body ?? source().body))).toBeInstanceOf(StallError);
  });

  test('stops reading when nobody wants more', async () => {
    const tee = createTee({ ...OPTIONS, count: 1 });
    let readBytes = 0;
    const feed = source(CONTENT, (bytes) => {
      readBytes = bytes;
    });
    await Promise.all([tee.run(feed, EXPECTED), tee.branches[0]?.body.cancel()]);
    expect(readBytes).toBeLessThan(EXPECTED.size);
  });
});
