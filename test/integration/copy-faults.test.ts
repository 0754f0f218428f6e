import { afterEach, describe, expect, test } from 'bun:test';
import type { RepositoryName, TagName } from '#core/oci';
import { type CopyOptions, copy, missingContent, type Registry } from '#core/registry';
import { systemClock } from '#core/std';
import { CALL, type Loopback, type LoopbackOptions, pushImage, startLoopback } from './copy-loopback.ts';

/** A copy between two registries over real HTTP, one of which misbehaves. */
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

function loopback(options: LoopbackOptions = {}): Loopback {
  const started = startLoopback(options);
  stops.push(() => started.stop());
  return started;
}

const APP = 'vendor/app' as RepositoryName;
const TAG = '1.0' as TagName;
const LAYER = 'a layer of some length '.repeat(50_000);

const copyApp = (source: Loopback, destination: Loopback, options: Partial<CopyOptions> = {}) =>
  copy(
    source.client(),
    destination.client(),
    { repository: APP, reference: TAG },
    { call: CALL, clock: systemClock(), limits: { retryDelayMs: 1 }, ...options },
  );

const isLayer = (request: Request, method: string, kind: RegExp) =>
  request.method === method && kind.test(new URL(request.url).pathname);

async function tagsOf(registry: Registry): Promise<readonly string[]> {
  const listed = await registry.tags(APP, { limit: 10 }, CALL).catch(() => undefined);
  return listed?.value.items ?? [];
}

/** Serves the large blob by what `change` makes of its bytes. */
function tamperBlob(change: (bytes: Uint8Array<ArrayBuffer>, times: number) => Response) {
  let times = 0;
  return async (request: Request, answer: () => Promise<Response>): Promise<Response> => {
    if (!isLayer(request, 'GET', /\/blobs\//)) return await answer();
    const bytes = new Uint8Array(await (await answer()).arrayBuffer());
    if (bytes.byteLength < LAYER.length / 2) return new Response(bytes);
    times += 1;
    return change(bytes, times);
  };
}

function brokenAfter(bytes: Uint8Array<ArrayBuffer>, atByte: number): Response {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(bytes.subarray(0, atByte));
    },
    async pull(controller) {
      await Bun.sleep(10);
      controller.error(new Error('the line is cut'));
    },
  });
  return new Response(body);
}

describe('a source', () => {
  test('that sends other bytes of the right length is refused, and nothing has the tag', async () => {
    const source = loopback({ tamper: tamperBlob((bytes) => new Response(bytes.fill(1, 100, 200))) });
    const destination = loopback();
    await pushImage(source.inner, [LAYER], { tags: [TAG] });
    const error = await copyApp(source, destination).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'CopyError', origin: 'source', registry: 'source', repository: APP });
    expect(await tagsOf(destination.inner)).toEqual([]);
  });

  test('that cuts a blob in the middle is asked for the rest', async () => {
    const source = loopback({
      tamper: tamperBlob((bytes, times) => (times === 1 ? brokenAfter(bytes, 300_000) : new Response(bytes))),
    });
    const destination = loopback();
    await pushImage(source.inner, [LAYER], { tags: [TAG] });
    await copyApp(source, destination);
    expect(await missingContent(destination.inner, { repository: APP, reference: TAG }, CALL)).toEqual([]);
  });
});

describe('a destination', () => {
  test('that fails once in the middle of an upload gets the blob again', async () => {
    let failures = 1;
    const source = loopback();
    const destination = loopback({
      async tamper(request, answer) {
        if (!isLayer(request, 'PUT', /\/blobs\/uploads\//) || failures-- <= 0) return await answer();
        await request.body?.cancel();
        return new Response(null, { status: 503 });
      },
    });
    await pushImage(source.inner, [LAYER], { tags: [TAG] });
    await copyApp(source, destination);
    expect(await missingContent(destination.inner, { repository: APP, reference: TAG }, CALL)).toEqual([]);
  });

  test('that refuses says why, and that it was the destination', async () => {
    const source = loopback();
    const destination = loopback({
      async tamper(request, answer) {
        if (request.method !== 'PUT') return await answer();
        await request.body?.cancel();
        return Response.json({ errors: [{ code: 'DENIED', message: 'quota exceeded' }] }, { status: 403 });
      },
    });
    await pushImage(source.inner, ['small'], { tags: [TAG] });
    const error = await copyApp(source, destination).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      origin: 'destination',
      code: 'DENIED',
      why: expect.stringContaining('quota exceeded'),
    });
    expect(await tagsOf(destination.inner)).toEqual([]);
  });
});

test('an abort in the middle of a blob ends both connections and leaves no tag', async () => {
  const controller = new AbortController();
  const reason = new Error('interrupted');
  const source = loopback({
    tamper: tamperBlob((bytes) => {
      let offset = 0;
      const trickle = new ReadableStream<Uint8Array>({
        async pull(stream) {
          await Bun.sleep(5);
          if (offset >= bytes.byteLength) return stream.close();
          stream.enqueue(bytes.subarray(offset, offset + 4096));
          offset += 4096;
        },
      });
      return new Response(trickle, { headers: { 'content-length': String(bytes.byteLength) } });
    }),
  });
  const destination = loopback();
  await pushImage(source.inner, [LAYER], { tags: [TAG] });
  const work = copyApp(source, destination, {
    call: { ...CALL, signal: controller.signal },
    onEvent: (event) => {
      if (event.kind === 'blob-started' && event.sizeBytes > 1000) setTimeout(() => controller.abort(reason), 50);
    },
  });
  await expect(work).rejects.toBe(reason);
  expect(await tagsOf(destination.inner)).toEqual([]);
  await copyApp(loopback({ inner: source.inner }), destination);
  expect(await missingContent(destination.inner, { repository: APP, reference: TAG }, CALL)).toEqual([]);
});
