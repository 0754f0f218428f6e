import { describe, expect, test } from 'bun:test';
import { digestOf } from '#core/oci';
import { createStaticAccess } from '../access.ts';
import { codesOf, createFixture, type Fixture, pushBlob } from './fixture.ts';

const TEXT = 'The quick brown fox jumps over the lazy dog';
const DIGEST = digestOf(TEXT);

async function start(fixture: Fixture, query = ''): Promise<string> {
  const response = await fixture.send('POST', `/v2/app/blobs/uploads/${query}`);
  expect(response.status).toBe(202);
  expect(response.headers.get('range')).toBe('0-0');
  const location = response.headers.get('location') ?? '';
  expect(location).toBe(`/v2/app/blobs/uploads/${response.headers.get('docker-upload-uuid')}`);
  return location;
}

const chunk = (from: number, to: number) => ({
  body: TEXT.slice(from, to),
  headers: { 'content-range': `${from}-${to - 1}`, 'content-length': String(to - from) },
});

async function expectStored(fixture: Fixture, response: Response): Promise<void> {
  expect(response.status).toBe(201);
  expect(response.headers.get('location')).toBe(`/v2/app/blobs/${DIGEST}`);
  expect(response.headers.get('docker-content-digest')).toBe(DIGEST);
  expect(await (await fixture.send('GET', `/v2/app/blobs/${DIGEST}`)).text()).toBe(TEXT);
}

describe('uploads', () => {
  test('POST, then PUT', async () => {
    const fixture = createFixture();
    const location = await start(fixture);
    await expectStored(fixture, await fixture.send('PUT', `${location}?digest=${DIGEST}`, { body: TEXT }));
  });

  test('a stream without ranges', async () => {
    const fixture = createFixture();
    const location = await start(fixture);
    const patched = await fixture.send('PATCH', location, { body: new Blob([TEXT]).stream() });
    expect(patched.status).toBe(202);
    expect(patched.headers.get('range')).toBe('0-42');
    await expectStored(fixture, await fixture.send('PUT', `${location}?digest=${DIGEST}`));
  });

  test('chunks, one out of order, and the last with the PUT', async () => {
    const fixture = createFixture();
    const location = await start(fixture);
    expect((await fixture.send('PATCH', location, chunk(0, 10))).headers.get('range')).toBe('0-9');
    for (const wrong of [chunk(20, 30), chunk(0, 10)]) {
      const refused = await fixture.send('PATCH', location, wrong);
      expect(refused.status).toBe(416);
      expect(refused.headers.get('range')).toBe('0-9');
      expect(refused.headers.get('location')).toBe(location);
    }
    const status = await fixture.send('GET', location);
    expect(status.status).toBe(204);
    expect(status.headers.get('range')).toBe('0-9');
    expect((await fixture.send('PATCH', location, chunk(10, 40))).status).toBe(202);
    const early = await fixture.send('PUT', `${location}?digest=${DIGEST}`, chunk(41, 43));
    expect(early.status).toBe(416);
    await expectStored(fixture, await fixture.send('PUT', `${location}?digest=${DIGEST}`, chunk(40, 43)));
  });

  const badRanges = [
    { name: 'no range', header: 'all', status: 416, code: 'RANGE_INVALID' },
    { name: 'backwards', header: '9-0', status: 416, code: 'RANGE_INVALID' },
    { name: 'longer than the body', header: '0-99', status: 400, code: 'SIZE_INVALID' },
  ];
  test.each(badRanges)('a Content-Range that is $name', async ({ header, status, code }) => {
    const fixture = createFixture();
    const location = await start(fixture);
    const headers = { 'content-range': header, 'content-length': String(TEXT.length) };
    for (const [method, path] of [
      ['PATCH', location],
      ['PUT', `${location}?digest=${DIGEST}`],
    ] as const) {
      const response = await fixture.send(method, path, { body: TEXT, headers });
      expect(response.status).toBe(status);
      expect(await codesOf(response)).toEqual([code]);
    }
    await expectStored(fixture, await fixture.send('PUT', `${location}?digest=${DIGEST}`, { body: TEXT }));
  });

  test('cancel', async () => {
    const fixture = createFixture();
    const location = await start(fixture);
    expect((await fixture.send('DELETE', location)).status).toBe(204);
    expect(await codesOf(await fixture.send('GET', location))).toEqual(['BLOB_UPLOAD_UNKNOWN']);
    expect(await codesOf(await fixture.send('PATCH', location, { body: 'x' }))).toEqual(['BLOB_UPLOAD_UNKNOWN']);
  });

  test('an upload is unknown in another repository', async () => {
    const fixture = createFixture();
    const location = await start(fixture);
    const elsewhere = location.replace('/v2/app/', '/v2/other/');
    expect(await codesOf(await fixture.send('GET', elsewhere))).toEqual(['BLOB_UPLOAD_UNKNOWN']);
  });

  test('sha512, announced', async () => {
    const fixture = createFixture();
    const location = await start(fixture, '?digest-algorithm=sha512');
    const digest = digestOf(TEXT, 'sha512');
    expect((await fixture.send('PUT', `${location}?digest=${digest}`, { body: TEXT })).status).toBe(201);
    expect((await fixture.send('HEAD', `/v2/app/blobs/${digest}`)).status).toBe(200);
  });

  test.each([
    { name: 'one POST', push: (fixture: Fixture) => fixture.send('POST', postPath, { body: 'other' }) },
    {
      name: 'POST and PUT',
      push: async (fixture: Fixture) =>
        fixture.send('PUT', `${await start(fixture)}?digest=${DIGEST}`, { body: 'other' }),
    },
    {
      name: 'PATCH and PUT',
      push: async (fixture: Fixture) => {
        const location = await start(fixture);
        await fixture.send('PATCH', location, { body: 'other' });
        return fixture.send('PUT', `${location}?digest=${DIGEST}`);
      },
    },
  ])('the wrong content by $name stores nothing', async ({ push }) => {
    const fixture = createFixture();
    await pushBlob(fixture, 'app', 'something');
    expect(await codesOf(await push(fixture))).toEqual(['DIGEST_INVALID']);
    expect((await fixture.send('HEAD', `/v2/app/blobs/${DIGEST}`)).status).toBe(404);
    expect((await fixture.send('HEAD', `/v2/app/blobs/${digestOf('other')}`)).status).toBe(404);
  });

  test('a body past the bound is refused, announced or not', async () => {
    const fixture = createFixture({ limits: { blobBytes: 10 } });
    const announced = { body: TEXT, headers: { 'content-length': '43' } };
    expect(await codesOf(await fixture.send('POST', postPath, announced))).toEqual(['BLOB_TOO_LARGE']);
    const streamed = await fixture.send('POST', postPath, { body: new Blob([TEXT]).stream() });
    expect(await codesOf(streamed)).toEqual(['BLOB_TOO_LARGE']);
  });
});

const postPath = `/v2/app/blobs/uploads/?digest=${DIGEST}`;

describe('mounts', () => {
  const mountPath = (digest: string, from?: string) =>
    `/v2/app/blobs/uploads/?mount=${digest}${from === undefined ? '' : `&from=${from}`}`;

  test.each([{ from: 'other' }, { from: undefined }])('from $from', async ({ from }) => {
    const fixture = createFixture();
    const digest = await pushBlob(fixture, 'other', TEXT);
    await expectStored(fixture, await fixture.send('POST', mountPath(digest, from)));
  });

  test('from a repository that the caller may not pull: an upload, as for a blob that is not there', async () => {
    const everything = createFixture();
    await pushBlob(everything, 'secret/app', TEXT);
    const actions = ['pull', 'push'] as const;
    const access = createStaticAccess({ anonymous: [{ repositories: ['app'], actions }] });
    const fixture = createFixture({ registry: everything.registry, access });
    for (const digest of [DIGEST, digestOf('never')]) {
      for (const from of ['secret/app', undefined]) {
        const response = await fixture.send('POST', mountPath(digest, from));
        expect(response.status).toBe(202);
        expect(response.headers.get('location')).toStartWith('/v2/app/blobs/uploads/');
      }
    }
  });
});

test('the idle timer rests while a body comes, and runs again after the answer', async () => {
  const { distribution } = createFixture();
  const seconds: number[] = [];
  const connection = {
    requestIP: () => ({ address: '192.0.2.1' }),
    timeout: (_request: Request, value: number) => seconds.push(value),
  };
  const send = (method: string, init: { body?: string }) =>
    distribution.fetch(new Request(`http://localhost${postPath}`, { method, ...init }), connection);
  expect((await send('POST', { body: TEXT })).status).toBe(201);
  expect((await send('POST', { body: 'other' })).status).toBe(400);
  expect(seconds).toEqual([0, 30, 0, 30]);
  expect((await send('GET', {})).status).toBe(405);
  expect(seconds.length).toBe(4);
});
