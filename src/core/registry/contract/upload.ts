import { expect } from 'bun:test';
import { digestOf } from '#core/oci';
import { streamFrom } from '#core/std';
import type { Registry, Upload } from '../types.ts';
import { bytesOf, repo, sampleBlob, streamInPieces, testCall } from './sample.ts';
import { type Check, expectCode } from './suite.ts';

const name = repo('team/app');
const call = testCall();
const blob = sampleBlob('upload', 300);
const piece = (start: number, end: number) => blob.bytes.subarray(start, end);

export function uploadContract(check: Check): void {
  appendContract(check);
  commitContract(check);
  sessionContract(check);
}

async function expectStored(registry: Registry): Promise<void> {
  expect(await bytesOf(await registry.getBlob(name, blob.digest, {}, call))).toEqual(blob.bytes);
}

async function expectGone(registry: Registry, upload: Upload): Promise<void> {
  await expectCode(upload.append(piece(0, 1), {}, call), 'BLOB_UPLOAD_UNKNOWN');
  await expectCode(registry.openUpload(name, upload.id, call), 'BLOB_UPLOAD_UNKNOWN');
}

function appendContract(check: Check): void {
  check('takes a blob in chunks, in order', async (registry) => {
    const upload = await registry.startUpload(name, {}, call);
    expect(upload.offset).toBe(0);
    expect(await upload.append(piece(0, 100), { start: 0, size: 100 }, call)).toBe(100);
    expect(await upload.append(streamInPieces(piece(100, 250), 40), { start: 100, size: 150 }, call)).toBe(250);
    expect(await upload.append(piece(250, 300), {}, call)).toBe(300);
    expect(upload.offset).toBe(300);
    expect(await upload.commit(blob.digest, undefined, call)).toMatchObject({ digest: blob.digest, size: 300 });
    await expectStored(registry);
  });

  check(
    'tells its offset to whoever opens it again',
    async (registry) => {
      const { id } = await registry.startUpload(name, {}, call);
      for (const [start, end] of [
        [0, 2],
        [2, 200],
        [200, 300],
      ] as const) {
        const upload = await registry.openUpload(name, id, call);
        expect([upload.id, upload.offset]).toEqual([id, start]);
        await upload.append(piece(start, end), { start }, call);
        expect((await registry.openUpload(name, id, call)).offset).toBe(end);
      }
      await (await registry.openUpload(name, id, call)).commit(blob.digest, undefined, call);
      await expectStored(registry);
    },
    ['open-upload'],
  );

  check(
    'tells one byte from none',
    async (registry) => {
      const upload = await registry.startUpload(name, {}, call);
      await upload.append(piece(0, 1), { start: 0 }, call);
      expect((await registry.openUpload(name, upload.id, call)).offset).toBe(1);
    },
    ['open-upload', 'offset-of-one-byte'],
  );

  for (const start of [0, 99, 101]) {
    check(`a chunk from ${start} after 100 bytes is RANGE_INVALID, and the upload goes on`, async (registry) => {
      const upload = await registry.startUpload(name, {}, call);
      await upload.append(piece(0, 100), { start: 0 }, call);
      await expectCode(upload.append(piece(100, 200), { start, size: 100 }, call), 'RANGE_INVALID');
      expect(upload.offset).toBe(100);
      await upload.append(piece(100, 300), { start: 100 }, call);
      await upload.commit(blob.digest, undefined, call);
      await expectStored(registry);
    });
  }

  for (const size of [99, 101]) {
    check(`100 bytes announced as ${size} are SIZE_INVALID`, async (registry) => {
      const upload = await registry.startUpload(name, {}, call);
      await expectCode(upload.append(streamInPieces(piece(0, 100), 30), { size }, call), 'SIZE_INVALID');
    });
  }

  check(
    'while one appends, a second is BLOB_UPLOAD_INVALID',
    async (registry) => {
      const upload = await registry.startUpload(name, {}, call);
      const gate = Promise.withResolvers<void>();
      const slow = upload.append(
        streamFrom(
          (async function* () {
            yield piece(0, 100);
            await gate.promise;
            yield piece(100, 300);
          })(),
        ),
        { start: 0 },
        call,
      );
      await expectCode(upload.append(piece(0, 100), {}, call), 'BLOB_UPLOAD_INVALID');
      await expectCode(upload.commit(blob.digest, undefined, call), 'BLOB_UPLOAD_INVALID');
      gate.resolve();
      expect(await slow).toBe(300);
      await upload.commit(blob.digest, undefined, call);
      await expectStored(registry);
    },
    ['one-writer'],
  );
}

function commitContract(check: Check): void {
  check('takes the whole blob with the commit', async (registry) => {
    const upload = await registry.startUpload(name, {}, call);
    await upload.commit(blob.digest, { body: blob.bytes, size: 300 }, call);
    await expectStored(registry);
  });

  check('takes the last chunk with the commit', async (registry) => {
    const upload = await registry.startUpload(name, {}, call);
    await upload.append(piece(0, 299), {}, call);
    await upload.commit(blob.digest, { body: piece(299, 300), start: 299 }, call);
    await expectStored(registry);
  });

  check('takes an empty blob', async (registry) => {
    const upload = await registry.startUpload(name, {}, call);
    expect((await upload.commit(digestOf(''), undefined, call)).size).toBe(0);
    expect((await registry.resolveBlob(name, digestOf(''), call)).value.size).toBe(0);
  });

  for (const algorithm of ['sha512', undefined] as const) {
    check(
      `takes a sha512 digest, ${algorithm ? 'announced' : 'not announced'}`,
      async (registry) => {
        const wide = sampleBlob('wide', 200, 'sha512');
        const upload = await registry.startUpload(name, algorithm ? { algorithm } : {}, call);
        await upload.append(wide.bytes.subarray(0, 120), {}, call);
        await upload.commit(wide.digest, { body: wide.bytes.subarray(120) }, call);
        expect(await bytesOf(await registry.getBlob(name, wide.digest, {}, call))).toEqual(wide.bytes);
      },
      ['sha512'],
    );
  }

  check('a wrong digest is DIGEST_INVALID: nothing is stored and the upload is gone', async (registry) => {
    const upload = await registry.startUpload(name, {}, call);
    await upload.append(piece(0, 200), {}, call);
    await expectCode(upload.commit(blob.digest, undefined, call), 'DIGEST_INVALID');
    await expectCode(registry.getBlob(name, blob.digest, {}, call), 'NAME_UNKNOWN', 'BLOB_UNKNOWN');
    await expectGone(registry, upload);
  });

  check('a last chunk out of order is RANGE_INVALID, and the upload goes on', async (registry) => {
    const upload = await registry.startUpload(name, {}, call);
    await upload.append(piece(0, 200), {}, call);
    await expectCode(upload.commit(blob.digest, { body: piece(200, 300), start: 100 }, call), 'RANGE_INVALID');
    await upload.commit(blob.digest, { body: piece(200, 300), start: 200 }, call);
    await expectStored(registry);
  });

  check('is gone once committed', async (registry) => {
    const upload = await registry.startUpload(name, {}, call);
    await upload.commit(blob.digest, { body: blob.bytes }, call);
    await expectGone(registry, upload);
  });

  check('nothing shows before the commit', async (registry) => {
    const upload = await registry.startUpload(name, {}, call);
    await upload.append(blob.bytes, {}, call);
    await expectCode(registry.getBlob(name, blob.digest, {}, call), 'NAME_UNKNOWN', 'BLOB_UNKNOWN');
  });
}

function sessionContract(check: Check): void {
  check('is gone once cancelled', async (registry) => {
    const upload = await registry.startUpload(name, {}, call);
    await upload.append(piece(0, 100), {}, call);
    await upload.cancel(call);
    await expectGone(registry, upload);
    await expectCode(upload.cancel(call), 'BLOB_UPLOAD_UNKNOWN');
  });

  check('two uploads at once do not meet', async (registry) => {
    const [left, right] = [sampleBlob('left', 200), sampleBlob('right', 200)];
    const uploads = await Promise.all([left, right].map(() => registry.startUpload(name, {}, call)));
    for (const half of [0, 100]) {
      await Promise.all(
        [left, right].map(({ bytes }, at) => uploads[at]?.append(bytes.subarray(half, half + 100), {}, call)),
      );
    }
    await Promise.all([left, right].map(({ digest }, at) => uploads[at]?.commit(digest, undefined, call)));
    for (const each of [left, right]) {
      expect(await bytesOf(await registry.getBlob(name, each.digest, {}, call))).toEqual(each.bytes);
    }
  });

  check('an id that is none is BLOB_UPLOAD_UNKNOWN', async (registry) => {
    await expectCode(registry.openUpload(name, 'no-such-upload', call), 'BLOB_UPLOAD_UNKNOWN');
  });

  check(
    'another repository does not find it',
    async (registry) => {
      const { id } = await registry.startUpload(name, {}, call);
      await expectCode(registry.openUpload(repo('team/other'), id, call), 'BLOB_UPLOAD_UNKNOWN');
      expect((await registry.openUpload(name, id, call)).id).toBe(id);
    },
    ['open-upload', 'isolation'],
  );

  check(
    'another principal does not find it',
    async (registry) => {
      const { id } = await registry.startUpload(name, {}, call);
      for (const principal of [
        { kind: 'person', name: 'mallory' },
        { kind: 'key', name: 'alice' },
        { kind: 'anonymous', name: '' },
      ] as const) {
        await expectCode(registry.openUpload(name, id, testCall({ principal })), 'BLOB_UPLOAD_UNKNOWN');
      }
      expect((await registry.openUpload(name, id, call)).id).toBe(id);
    },
    ['open-upload', 'principals'],
  );
}
