import { expect } from 'bun:test';
import { digestOf } from '#core/oci';
import { bytesOf, repo, sampleBlob, streamInPieces, testCall } from './sample.ts';
import { type Check, expectCode } from './suite.ts';

const name = repo('team/app');
const call = testCall();

export function blobContract(check: Check): void {
  putContract(check);
  rangeContract(check);
}

function putContract(check: Check): void {
  for (const { title, pieceBytes } of [
    { title: 'bytes', pieceBytes: 0 },
    { title: 'a stream', pieceBytes: 1000 },
  ]) {
    check(`stores a blob from ${title} and gives it back`, async (registry) => {
      const { digest, bytes } = sampleBlob(title, 100_000);
      const body = pieceBytes === 0 ? bytes : streamInPieces(bytes, pieceBytes);
      const stored = await registry.putBlob(name, { digest, size: bytes.byteLength }, body, call);
      expect(stored).toMatchObject({ digest, size: bytes.byteLength });
      const answer = await registry.getBlob(name, digest, {}, call);
      expect(answer.value.descriptor).toMatchObject({ digest, size: bytes.byteLength });
      expect(answer.served.by).not.toBe('');
      expect(await bytesOf(answer)).toEqual(bytes);
      const resolved = await registry.resolveBlob(name, digest, call);
      expect(resolved.value).toMatchObject({ digest, size: bytes.byteLength });
    });
  }

  check('stores a blob whose size was not said', async (registry) => {
    const { digest, bytes } = sampleBlob('no size', 5000);
    await registry.putBlob(name, { digest }, streamInPieces(bytes, 999), call);
    expect(await bytesOf(await registry.getBlob(name, digest, {}, call))).toEqual(bytes);
  });

  check('stores the empty blob', async (registry) => {
    const digest = digestOf('');
    await registry.putBlob(name, { digest, size: 0 }, new Uint8Array(), call);
    expect((await registry.resolveBlob(name, digest, call)).value.size).toBe(0);
    expect(await bytesOf(await registry.getBlob(name, digest, {}, call))).toEqual(new Uint8Array());
  });

  check('stores a blob twice', async (registry) => {
    const { digest, bytes } = sampleBlob('twice');
    for (const _ of [1, 2]) await registry.putBlob(name, { digest }, bytes, call);
    expect(await bytesOf(await registry.getBlob(name, digest, {}, call))).toEqual(bytes);
  });

  check(
    'stores a blob under its sha512 digest',
    async (registry) => {
      const { digest, bytes } = sampleBlob('wide', 3000, 'sha512');
      await registry.putBlob(name, { digest, size: bytes.byteLength }, bytes, call);
      expect((await registry.resolveBlob(name, digest, call)).value.size).toBe(3000);
      expect(await bytesOf(await registry.getBlob(name, digest, {}, call))).toEqual(bytes);
    },
    ['sha512'],
  );

  check('bytes that are not what the digest says are DIGEST_INVALID and are not stored', async (registry) => {
    const [wanted, sent] = [sampleBlob('wanted', 100), sampleBlob('sent', 100)];
    const target = { digest: wanted.digest, size: 100 };
    await expectCode(registry.putBlob(name, target, sent.bytes, call), 'DIGEST_INVALID');
    for (const { digest } of [wanted, sent]) {
      await expectCode(registry.getBlob(name, digest, {}, call), 'NAME_UNKNOWN', 'BLOB_UNKNOWN');
    }
  });

  for (const wrong of [99, 101]) {
    check(`100 bytes announced as ${wrong} are SIZE_INVALID and are not stored`, async (registry) => {
      const { digest, bytes } = sampleBlob('sized', 100);
      await expectCode(
        registry.putBlob(name, { digest, size: wrong }, streamInPieces(bytes, 30), call),
        'SIZE_INVALID',
      );
      await expectCode(registry.getBlob(name, digest, {}, call), 'NAME_UNKNOWN', 'BLOB_UNKNOWN');
    });
  }

  check('a body that breaks stores nothing', async (registry) => {
    const { digest, bytes } = sampleBlob('broken', 100);
    const broken = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(bytes.subarray(0, 50)),
      pull: (controller) => controller.error(new Error('the sender went away')),
    });
    await expect(registry.putBlob(name, { digest, size: 100 }, broken, call)).rejects.toThrow();
    await expectCode(registry.resolveBlob(name, digest, call), 'NAME_UNKNOWN', 'BLOB_UNKNOWN');
    await registry.putBlob(name, { digest, size: 100 }, bytes, call);
    expect(await bytesOf(await registry.getBlob(name, digest, {}, call))).toEqual(bytes);
  });

  check('a blob that is not there is NAME_UNKNOWN or BLOB_UNKNOWN', async (registry) => {
    const [there, missing] = [sampleBlob('there'), sampleBlob('missing')];
    await expectCode(registry.getBlob(name, missing.digest, {}, call), 'NAME_UNKNOWN');
    await expectCode(registry.resolveBlob(name, missing.digest, call), 'NAME_UNKNOWN', 'BLOB_UNKNOWN');
    await registry.putBlob(name, { digest: there.digest }, there.bytes, call);
    await expectCode(registry.getBlob(name, missing.digest, {}, call), 'BLOB_UNKNOWN');
    await expectCode(registry.resolveBlob(name, missing.digest, call), 'BLOB_UNKNOWN');
  });
}

function rangeContract(check: Check): void {
  const size = 1000;
  const ranges = [
    { title: 'the start', range: { start: 0, end: 10 }, expected: [0, 10] },
    { title: 'one byte', range: { start: 5, end: 6 }, expected: [5, 6] },
    { title: 'the middle', range: { start: 333, end: 666 }, expected: [333, 666] },
    { title: 'to the end', range: { start: 900 }, expected: [900, 1000] },
    { title: 'the last byte', range: { start: 999 }, expected: [999, 1000] },
    { title: 'beyond the end, which is cut', range: { start: 990, end: 5000 }, expected: [990, 1000] },
    { title: 'all of it', range: { start: 0, end: 1000 }, expected: [0, 1000] },
  ];
  for (const { title, range, expected } of ranges) {
    check(`gives a range: ${title}`, async (registry) => {
      const { digest, bytes } = sampleBlob('ranges', size);
      await registry.putBlob(name, { digest, size }, bytes, call);
      const answer = await registry.getBlob(name, digest, { range }, call);
      expect(await bytesOf(answer)).toEqual(bytes.subarray(expected[0], expected[1]));
      expect(answer.value.descriptor.size).toBe(size);
    });
  }

  for (const start of [size, size + 1, 2 ** 40]) {
    check(`a range from ${start} of ${size} bytes is RANGE_INVALID`, async (registry) => {
      const { digest, bytes } = sampleBlob('ranges', size);
      await registry.putBlob(name, { digest, size }, bytes, call);
      await expectCode(registry.getBlob(name, digest, { range: { start } }, call), 'RANGE_INVALID');
      expect(await bytesOf(await registry.getBlob(name, digest, {}, call))).toEqual(bytes);
    });
  }

  check('a range of a blob that is not there is BLOB_UNKNOWN', async (registry) => {
    const [there, missing] = [sampleBlob('there'), sampleBlob('missing')];
    await registry.putBlob(name, { digest: there.digest }, there.bytes, call);
    await expectCode(registry.getBlob(name, missing.digest, { range: { start: 0, end: 1 } }, call), 'BLOB_UNKNOWN');
  });
}
