import { expect } from 'bun:test';
import { digestOf } from '#core/oci';
import type { CacheStore, Part } from '../cache-store.ts';
import type { CacheCheck } from './cache-store.ts';
import { bytesOf, repo, sampleBlob, testCall } from './sample.ts';
import { expectCode } from './suite.ts';

const [ours, theirs] = [repo('hub/library/redis'), repo('hub/library/nginx')];
const call = testCall();
const blob = sampleBlob('on its way', 100_000);
const PIECE_BYTES = 7_000;

export function partContract(check: CacheCheck): void {
  growthContract(check);
  commitContract(check);
  keptContract(check);
}

/** Adds what follows of `bytes`, up to `end`, in pieces; the part keeps none of the caller's memory. */
async function grow(part: Part, bytes: Uint8Array, end = bytes.byteLength): Promise<void> {
  while (part.offset < end) {
    const piece = bytes.slice(part.offset, Math.min(part.offset + PIECE_BYTES, end));
    await part.append(piece);
  }
}

async function wholePart(store: CacheStore, { digest, bytes } = blob): Promise<Part> {
  const part = await store.cache.parts.open(digest);
  await grow(part, bytes);
  return part;
}

async function readPart(part: Part, start: number, end: number): Promise<Uint8Array> {
  return await new Response(part.read({ start, end })).bytes();
}

function growthContract(check: CacheCheck): void {
  check('what is appended can be read at once', async ({ cache }) => {
    const part = await cache.parts.open(blob.digest);
    expect([part.digest, part.offset]).toEqual([blob.digest, 0]);
    while (part.offset < blob.bytes.byteLength) {
      const start = part.offset;
      await grow(part, blob.bytes, Math.min(start + PIECE_BYTES, blob.bytes.byteLength));
      expect(await readPart(part, start, part.offset)).toEqual(blob.bytes.subarray(start, part.offset));
      expect(await readPart(part, 0, part.offset)).toEqual(blob.bytes.subarray(0, part.offset));
    }
    await part.discard();
  });

  check('readers of several ranges go on while it grows', async ({ cache }) => {
    const part = await cache.parts.open(blob.digest);
    await grow(part, blob.bytes, 50_000);
    const ranges = [
      [0, 50_000],
      [1, 2],
      [49_999, 50_000],
      [6_999, 7_001],
      [20_000, 20_000],
      [12_345, 45_678],
    ] as const;
    const reads = ranges.map(([start, end]) => readPart(part, start, end));
    await grow(part, blob.bytes);
    expect(await Promise.all(reads)).toEqual(ranges.map(([start, end]) => blob.bytes.subarray(start, end)));
    await part.discard();
  });

  check('a reader that is cut leaves the others and the part alone', async ({ cache }) => {
    const part = await cache.parts.open(blob.digest);
    await grow(part, blob.bytes, 60_000);
    const cut = part.read({ start: 0, end: 60_000 }).getReader();
    await cut.read();
    await cut.cancel();
    expect(await readPart(part, 10, 60_000)).toEqual(blob.bytes.subarray(10, 60_000));
    await part.discard();
  });

  for (const [start, end] of [
    [0, 101],
    [-1, 10],
    [50, 49],
  ] as const) {
    check(`bytes ${start} to ${end} of 100 are nobody's to read`, async ({ cache }) => {
      const part = await cache.parts.open(blob.digest);
      await part.append(blob.bytes.slice(0, 100));
      await expectCode((async () => part.read({ start, end }))(), 'INTERNAL');
      await part.discard();
    });
  }

  check('has one holder', async ({ cache }) => {
    const part = await cache.parts.open(blob.digest);
    await expectCode(cache.parts.open(blob.digest), 'INTERNAL');
    await expectCode(cache.parts.remove(blob.digest), 'INTERNAL');
    expect(await cache.parts.list()).toEqual([]);
    await part.close();
    await (await cache.parts.open(blob.digest)).discard();
  });

  check('takes nothing more once it is let go of', async ({ cache }) => {
    for (const end of ['close', 'discard'] as const) {
      const part = await cache.parts.open(blob.digest);
      await part.append(blob.bytes.slice(0, 10));
      await part[end]();
      await expectCode(part.append(blob.bytes.slice(10, 20)), 'INTERNAL');
      await expectCode(part.commit([ours], 10), 'INTERNAL');
      await part.close();
      await part.discard();
    }
  });
}

function commitContract(check: CacheCheck): void {
  check('becomes a blob of the repositories named, and of no other', async (store) => {
    const part = await wholePart(store);
    const third = repo('hub/library/third');
    await store.putBlob(third, { digest: digestOf('') }, new Uint8Array(), call);
    const stored = await part.commit([ours, theirs], blob.bytes.byteLength);
    expect(stored).toMatchObject({ digest: blob.digest, size: blob.bytes.byteLength });
    for (const name of [ours, theirs]) {
      expect(await bytesOf(await store.getBlob(name, blob.digest, {}, call))).toEqual(blob.bytes);
    }
    await expectCode(store.resolveBlob(third, blob.digest, call), 'BLOB_UNKNOWN');
    expect(await store.cache.parts.list()).toEqual([]);
  });

  check('is right before it is stored, and said to be once', async (store) => {
    const part = await wholePart(store);
    const said: string[] = [];
    await part.commit([ours], blob.bytes.byteLength, () => said.push('right')).then(() => said.push('stored'));
    expect(said).toEqual(['right', 'stored']);
  });

  check('is in no repository before', async (store) => {
    const part = await wholePart(store);
    for (const name of [ours, theirs]) await expectCode(store.resolveBlob(name, blob.digest, call), 'NAME_UNKNOWN');
    expect(await store.cache.findBlob(blob.digest)).toBeUndefined();
    expect((await store.repositories({ limit: 10 }, call)).value.items).toEqual([]);
    await part.close();
    await expectCode(store.resolveBlob(ours, blob.digest, call), 'NAME_UNKNOWN');
  });

  check('is read on after it became a blob', async (store) => {
    const part = await wholePart(store);
    const reader = part.read({ start: 0, end: blob.bytes.byteLength });
    await part.commit([ours], blob.bytes.byteLength);
    expect(await new Response(reader).bytes()).toEqual(blob.bytes);
    expect(await readPart(part, 99_000, 100_000)).toEqual(blob.bytes.subarray(99_000));
    await part.close();
    expect(await bytesOf(await store.getBlob(ours, blob.digest, {}, call))).toEqual(blob.bytes);
  });

  check('links alone where the blob has come another way meanwhile', async (store) => {
    const part = await wholePart(store);
    await store.putBlob(theirs, { digest: blob.digest }, blob.bytes, call);
    await part.commit([ours], blob.bytes.byteLength);
    expect(await bytesOf(await store.getBlob(ours, blob.digest, {}, call))).toEqual(blob.bytes);
    expect(await readPart(part, 0, 10)).toEqual(blob.bytes.subarray(0, 10));
  });

  check('an empty blob is one', async (store) => {
    const part = await store.cache.parts.open(digestOf(''));
    await part.commit([ours], 0);
    expect((await store.resolveBlob(ours, digestOf(''), call)).value.size).toBe(0);
  });

  check('a blob of sha512 is one', async (store) => {
    const wide = sampleBlob('wide', 5000, 'sha512');
    const part = await wholePart(store, wide);
    await part.commit([ours], 5000);
    expect(await bytesOf(await store.getBlob(ours, wide.digest, {}, call))).toEqual(wide.bytes);
  });

  for (const { title, code, digest, size } of [
    { title: 'another digest', code: 'DIGEST_INVALID', digest: digestOf('something else'), size: 100_000 },
    { title: 'too few bytes', code: 'SIZE_INVALID', digest: blob.digest, size: 100_001 },
    { title: 'too many bytes', code: 'SIZE_INVALID', digest: blob.digest, size: 99_999 },
  ] as const) {
    check(`bytes of ${title} are ${code}, and gone`, async (store) => {
      const part = await wholePart(store, { digest, bytes: blob.bytes });
      const said: string[] = [];
      await expectCode(
        part.commit([ours], size, () => said.push('right')),
        code,
      );
      expect(said).toEqual([]);
      await expectCode(store.resolveBlob(ours, digest, call), 'NAME_UNKNOWN', 'BLOB_UNKNOWN');
      await part.close();
      expect(await store.cache.parts.list()).toEqual([]);
      const again = await store.cache.parts.open(digest);
      expect(again.offset).toBe(0);
      await again.discard();
    });
  }
}

function keptContract(check: CacheCheck): void {
  check('what came is kept for the next holder, and still checked as a whole', async (store) => {
    const first = await store.cache.parts.open(blob.digest);
    await grow(first, blob.bytes, 40_000);
    await first.close();
    const [kept] = await store.cache.parts.list();
    expect(kept).toMatchObject({ digest: blob.digest, sizeBytes: 40_000 });
    const second = await store.cache.parts.open(blob.digest);
    expect(second.offset).toBe(40_000);
    expect(await readPart(second, 30_000, 40_000)).toEqual(blob.bytes.subarray(30_000, 40_000));
    await grow(second, blob.bytes);
    await second.commit([ours], blob.bytes.byteLength);
    expect(await bytesOf(await store.getBlob(ours, blob.digest, {}, call))).toEqual(blob.bytes);
  });

  check('wrong bytes of an earlier holder are found at the end', async (store) => {
    const first = await store.cache.parts.open(blob.digest);
    await first.append(new Uint8Array(40_000));
    await first.close();
    const part = await wholePart(store);
    await expectCode(part.commit([ours], blob.bytes.byteLength), 'DIGEST_INVALID');
    expect(await store.cache.parts.list()).toEqual([]);
  });

  check('what is discarded begins anew', async ({ cache }) => {
    const first = await cache.parts.open(blob.digest);
    await grow(first, blob.bytes, 40_000);
    await first.discard();
    expect(await cache.parts.list()).toEqual([]);
    const second = await cache.parts.open(blob.digest);
    expect(second.offset).toBe(0);
    await second.discard();
  });

  check('lists what nobody holds, the longest untouched first, and removes it', async ({ cache }) => {
    const blobs = ['a', 'b', 'c'].map((seed) => sampleBlob(seed, 100));
    for (const { digest, bytes } of blobs) {
      const part = await cache.parts.open(digest);
      await part.append(bytes.slice(0, 50));
      await part.close();
      // Files are dated to the millisecond at best.
      await Bun.sleep(5);
    }
    const listed = await cache.parts.list();
    expect(listed.map(({ digest }) => digest)).toEqual(blobs.map(({ digest }) => digest));
    await cache.parts.remove(blobs[1]?.digest ?? digestOf(''));
    await cache.parts.remove(digestOf('never seen'));
    const left = [blobs[0], blobs[2]].map((each) => each?.digest);
    expect((await cache.parts.list()).map(({ digest }) => digest as string)).toEqual(left as string[]);
  });
}
