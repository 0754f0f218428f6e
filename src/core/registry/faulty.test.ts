import { describe, expect, test } from 'bun:test';
import { bytesOf, pushImage, repo, sampleBlob, sampleImage, tag, testCall } from './contract/mod.ts';
import { type Fault, faultAt, faulty } from './faulty.ts';
import { memory } from './memory/memory.ts';

const name = repo('team/app');
const call = testCall();
const blob = sampleBlob('faulty', 1000);
const image = sampleImage('faulty', { layers: 1 });

function at(nth: number, fault: Fault) {
  const next = memory();
  const { plan, fired } = faultAt(nth, fault);
  return { next, registry: faulty(next, plan), fired };
}

describe('faulty', () => {
  test('the nth operation fails, those of uploads counted', async () => {
    const { registry, fired } = at(3, { kind: 'fail' });
    const upload = await registry.startUpload(name, {}, call);
    await upload.append(blob.bytes, {}, call);
    expect(fired()).toBe(false);
    await expect(upload.commit(blob.digest, undefined, call)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(fired()).toBe(true);
    await upload.commit(blob.digest, undefined, call);
  });

  test('a campaign ends with the run in which nothing fired', async () => {
    let runs = 0;
    for (let nth = 1; ; nth++) {
      const { registry, fired } = at(nth, { kind: 'fail' });
      const outcome = await pushImage(registry, name, image, { tags: ['v1'] }).then(
        () => 'ok',
        () => 'failed',
      );
      expect(outcome).toBe(fired() ? 'failed' : 'ok');
      if (!fired()) break;
      runs = nth;
    }
    expect(runs).toBe(3);
  });

  test('a lost answer: done, and failed all the same', async () => {
    const { registry, next } = at(1, { kind: 'lose', error: new Error('connection reset') });
    await expect(registry.putBlob(name, { digest: blob.digest }, blob.bytes, call)).rejects.toThrow('connection reset');
    expect((await next.resolveBlob(name, blob.digest, call)).value.size).toBe(1000);
  });

  test('hangs until the caller gives up', async () => {
    const { registry } = at(1, { kind: 'hang' });
    const abort = new AbortController();
    const waiting = registry.tags(name, { limit: 1 }, testCall({ signal: abort.signal }));
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });

  test('a blob read is cut, or ends too early', async () => {
    for (const kind of ['cut', 'truncate'] as const) {
      const { registry, next } = at(1, { kind, atByte: 300 });
      await next.putBlob(name, { digest: blob.digest }, blob.bytes, call);
      const read = bytesOf(await registry.getBlob(name, blob.digest, {}, call));
      if (kind === 'cut') await expect(read).rejects.toThrow('a planned cut');
      else expect(await read).toEqual(blob.bytes.subarray(0, 300));
      expect(await bytesOf(await registry.getBlob(name, blob.digest, {}, call))).toEqual(blob.bytes);
    }
  });

  test('a manifest read is truncated', async () => {
    const { registry, next } = at(1, { kind: 'truncate', atByte: 10 });
    await pushImage(next, name, image, { tags: ['v1'] });
    expect((await registry.getManifest(name, tag('v1'), call)).value.bytes).toEqual(image.bytes.subarray(0, 10));
  });

  test('a body that is written breaks, and nothing of it shows', async () => {
    const { registry, next } = at(1, { kind: 'cut', atByte: 300 });
    const put = registry.putBlob(name, { digest: blob.digest, size: 1000 }, blob.bytes, call);
    await expect(put).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(next.resolveBlob(name, blob.digest, call)).rejects.toMatchObject({ code: 'NAME_UNKNOWN' });
  });
});
