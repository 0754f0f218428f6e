import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { digestOf, parseRepository } from '#core/oci';
import { CALL, clientOf, failureOf, inPieces, REPOSITORY } from './client.fake.ts';
import { type FakeUpstream, startUpstream, wireError } from './upstream.fake.ts';

let fake: FakeUpstream;
beforeEach(async () => {
  fake = await startUpstream();
});
afterEach(() => fake.stop());

const BLOB = new Uint8Array(100_000).map((_, index) => index * 17);
const DIGEST = digestOf(BLOB);
const POST = 'POST /v2/demo/app/blobs/uploads/';
const PUT = expect.stringMatching(/^PUT \/v2\/demo\/app\/blobs\/uploads\/u\?state=s%2B1&digest=sha256/);
const PATCH = expect.stringMatching(/^PATCH \/v2\/demo\/app\/blobs\/uploads\/u/);
const mayRead = () => true;

describe('mountBlob', () => {
  test('a hit is one request', async () => {
    fake.blobs.set(DIGEST, BLOB);
    const answer = await clientOf(fake).mountBlob(REPOSITORY, DIGEST, { from: REPOSITORY, mayRead }, CALL);
    expect(answer.kind).toBe('mounted');
    expect(fake.log).toEqual([expect.stringMatching(/^POST .*\?mount=sha256.*&from=demo%2Fapp$/)]);
  });

  test('a miss and its upload are two requests', async () => {
    const answer = await clientOf(fake).mountBlob(REPOSITORY, DIGEST, { from: REPOSITORY, mayRead }, CALL);
    if (answer.kind !== 'upload') throw new Error('mounted');
    await answer.upload.commit(DIGEST, { body: inPieces(BLOB, 9000), size: BLOB.byteLength }, CALL);
    expect(fake.log).toHaveLength(2);
    expect(fake.blobs.get(DIGEST)).toEqual(BLOB);
  });

  const others: { name: string; mount: 'from' | 'any' | 'none'; from: boolean; reads: boolean; query: string }[] = [
    {
      name: 'without a source, where the registry takes that',
      mount: 'any',
      from: false,
      reads: true,
      query: '?mount=sha256%3A',
    },
    { name: 'without a source, at Quay', mount: 'from', from: false, reads: true, query: '' },
    { name: 'where mounts do not work', mount: 'none', from: true, reads: true, query: '' },
    { name: 'from what the caller may not read', mount: 'any', from: true, reads: false, query: '' },
  ];
  for (const { name, mount, from, reads, query } of others) {
    test(name, async () => {
      const options = { ...(from ? { from: parseRepository('demo/other') } : {}), mayRead: () => reads };
      const answer = await clientOf(fake, { quirks: { mount } }).mountBlob(REPOSITORY, DIGEST, options, CALL);
      expect(answer.kind).toBe('upload');
      expect(fake.log).toEqual([
        expect.stringMatching(new RegExp(`^POST /v2/demo/app/blobs/uploads/${query.replace('?', '\\?')}`)),
      ]);
      expect(fake.log[0]?.includes('mount')).toBe(query !== '');
    });
  }

  test('a refused mount is an upload', async () => {
    fake.on(/\?mount=/, ({ response }) => {
      wireError(response, 404, 'NAME_UNKNOWN');
      return true;
    });
    const answer = await clientOf(fake).mountBlob(REPOSITORY, DIGEST, { from: parseRepository('gone'), mayRead }, CALL);
    expect(answer.kind).toBe('upload');
    expect(fake.log).toHaveLength(2);
  });
});

describe('uploads by hand', () => {
  test('appended, opened again by id, and committed', async () => {
    const client = clientOf(fake);
    const upload = await client.startUpload(REPOSITORY, {}, CALL);
    expect(await upload.append(BLOB.subarray(0, 1000), { start: 0 }, CALL)).toBe(1000);
    expect(await upload.append(inPieces(BLOB.slice(1000, 5000), 700), { size: 4000 }, CALL)).toBe(5000);
    const again = await client.openUpload(REPOSITORY, upload.id, CALL);
    expect(again.offset).toBe(5000);
    await again.commit(DIGEST, { body: BLOB.subarray(5000), start: 5000 }, CALL);
    expect(fake.blobs.get(DIGEST)).toEqual(BLOB);
  });

  test('a chunk at another place is RANGE_INVALID without a request', async () => {
    const upload = await clientOf(fake).startUpload(REPOSITORY, {}, CALL);
    fake.log.length = 0;
    expect((await failureOf(upload.append(BLOB, { start: 5 }, CALL))).code).toBe('RANGE_INVALID');
    expect(fake.log).toEqual([]);
  });

  test('cancelled is gone', async () => {
    const client = clientOf(fake);
    const upload = await client.startUpload(REPOSITORY, {}, CALL);
    await upload.cancel(CALL);
    expect((await failureOf(client.openUpload(REPOSITORY, upload.id, CALL))).code).toBe('BLOB_UPLOAD_UNKNOWN');
  });

  test('an id of another repository or host leads nowhere', async () => {
    const client = clientOf(fake);
    const upload = await client.startUpload(REPOSITORY, {}, CALL);
    fake.log.length = 0;
    const foreign = `L-${Buffer.from('http://evil.example/v2/demo/app/blobs/uploads/1').toString('base64url')}`;
    for (const id of [foreign, '../../x', 'L-%%%']) {
      expect((await failureOf(client.openUpload(REPOSITORY, id, CALL))).code).toBe('BLOB_UPLOAD_UNKNOWN');
    }
    const other = client.openUpload(parseRepository('demo/other'), upload.id, CALL);
    expect((await failureOf(other)).code).toBe('BLOB_UPLOAD_UNKNOWN');
    expect(fake.log).toEqual([]);
  });

  test('the registry’s least chunk length is obeyed', async () => {
    fake.on(/^POST /, ({ response }) => {
      response.setHeader('oci-chunk-min-length', '60000');
      return false;
    });
    const client = clientOf(fake, { quirks: { uploads: ['chunked'], chunkBytes: 1000 } });
    await client.putBlob(REPOSITORY, { digest: DIGEST }, BLOB, CALL);
    expect(fake.log).toEqual([POST, PATCH, PUT]);
  });
});
