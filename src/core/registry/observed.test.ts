import { describe, expect, test } from 'bun:test';
import { bytesOf, pushImage, repo, sampleBlob, sampleImage, streamInPieces, tag, testCall } from './contract/mod.ts';
import { faultAt, faulty } from './faulty.ts';
import { memory } from './memory/memory.ts';
import { observed, type RegistryEvent } from './observed.ts';
import type { Registry } from './types.ts';

const name = repo('team/app');
const call = testCall();
const blob = sampleBlob('observed', 1000);

/** A clock that ticks with each look at it. */
function watched(next: Registry) {
  const events: RegistryEvent[] = [];
  let nowMs = 0;
  const registry = observed(next, { sink: (event) => events.push(event), now: () => nowMs++ });
  const seen = () =>
    events
      .splice(0)
      .map(({ operation, outcome, bytes, code }) => [operation.name, outcome, bytes, ...(code ? [code] : [])]);
  return { registry, events, seen };
}

/** A registry whose blobs come as streams, as from a network. */
function streaming(next: Registry): Registry {
  return {
    ...next,
    async getBlob(repository, digest, options, call) {
      const answer = await next.getBlob(repository, digest, options, call);
      const body = streamInPieces(await bytesOf(answer), 100);
      return { ...answer, value: { kind: 'stream', descriptor: answer.value.descriptor, body } };
    },
  };
}

describe('observed', () => {
  test('tells every operation with its bytes', async () => {
    const { registry, seen } = watched(memory());
    const image = sampleImage('image', { layers: 0 });
    await pushImage(registry, name, image, { tags: ['v1'] });
    await registry.resolveManifest(name, tag('v1'), call);
    await registry.getManifest(name, tag('v1'), call);
    await registry.getBlob(name, image.config.digest, { range: { start: 4 } }, call);
    await registry.tags(name, { limit: 10 }, call);
    expect(seen()).toEqual([
      ['putBlob', 'ok', 64],
      ['putManifest', 'ok', image.bytes.byteLength],
      ['resolveManifest', 'ok', 0],
      ['getManifest', 'ok', image.bytes.byteLength],
      ['getBlob', 'ok', 60],
      ['tags', 'ok', 0],
    ]);
  });

  test('tells the parts of an upload', async () => {
    const { registry, seen } = watched(memory());
    const upload = await registry.startUpload(name, {}, call);
    await upload.append(blob.bytes.subarray(0, 300), {}, call);
    await (await registry.openUpload(name, upload.id, call)).append(blob.bytes.subarray(300, 700), {}, call);
    await upload.commit(blob.digest, { body: blob.bytes.subarray(700) }, call);
    await (await registry.startUpload(name, {}, call)).cancel(call);
    expect(seen()).toEqual([
      ['startUpload', 'ok', 0],
      ['append', 'ok', 300],
      ['openUpload', 'ok', 0],
      ['append', 'ok', 400],
      ['commit', 'ok', 300],
      ['startUpload', 'ok', 0],
      ['cancel', 'ok', 0],
    ]);
  });

  test('tells failures with their code, and lets them through', async () => {
    const { registry, events, seen } = watched(memory());
    await expect(registry.getManifest(name, tag('v1'), call)).rejects.toMatchObject({ code: 'NAME_UNKNOWN' });
    expect(events[0]).toMatchObject({ operation: { repository: name, reference: 'v1', call }, durationMs: 1 });
    await expect(registry.getBlob(name, blob.digest, {}, call)).rejects.toMatchObject({ code: 'NAME_UNKNOWN' });
    expect(seen()).toEqual([
      ['getManifest', 'failed', 0, 'NAME_UNKNOWN'],
      ['getBlob', 'failed', 0, 'NAME_UNKNOWN'],
    ]);
  });

  test('a streamed blob is told when its stream ends, breaks or is left', async () => {
    const inner = memory();
    await inner.putBlob(name, { digest: blob.digest }, blob.bytes, call);
    const { registry, events, seen } = watched(streaming(inner));
    const answer = await registry.getBlob(name, blob.digest, {}, call);
    expect(events).toEqual([]);
    expect(await bytesOf(answer)).toEqual(blob.bytes);
    expect(events[0]?.served).toMatchObject({ by: 'memory' });
    expect(seen()).toEqual([['getBlob', 'ok', 1000]]);

    const left = await registry.getBlob(name, blob.digest, {}, call);
    if (left.value.kind !== 'stream') throw new Error('a stream was expected');
    const reader = left.value.body.getReader();
    await reader.read();
    await reader.cancel();
    expect(seen()).toEqual([['getBlob', 'cut', 100]]);

    const { plan } = faultAt(1, { kind: 'cut', atByte: 250 });
    const broken = watched(faulty(inner, plan));
    const cut = await broken.registry.getBlob(name, blob.digest, {}, call);
    await expect(bytesOf(cut)).rejects.toThrow('a planned cut');
    expect(broken.seen()).toEqual([['getBlob', 'failed', 250, 'UNAVAILABLE']]);
  });
});
