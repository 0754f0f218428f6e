import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { type Fault, refusal } from '../harness/fault.ts';
import { type Layer, makeLayer } from '../harness/image.ts';
import { pushBlob } from '../harness/push.ts';
import { cacheFolder } from '../harness/temp.ts';
import { getBlob, seen } from './pull.ts';
import { type Stage, withStage } from './stage.ts';

const blobBytes = 3_000_000;
const repository = 'library/app';
// What `fetch` had read of a connection and not handed out when it broke is asked for again.
const forgottenBytes = 600_000;
// Some retries wait, and rows run one after another.
const timeoutMs = 120_000;

async function blobs(names: readonly string[]): Promise<readonly Layer[]> {
  const folder = join(cacheFolder(), 'layers');
  return Promise.all(names.map((name) => makeLayer(folder, { seed: `cut-${name}`, contentBytes: blobBytes })));
}

async function put(stage: Stage, layer: Layer): Promise<string> {
  await pushBlob(stage.upstream.host, repository, { digest: layer.digest, body: Bun.file(layer.path) });
  stage.proxy.reset();
  return `http://${stage.ours.host}/v2/hub/${repository}/blobs/${layer.digest}`;
}

const cutAts = [0, 1, 4095, 65_536, 65_537, 1_000_000, 1_048_576, 2_999_999, blobBytes + 1];

test(
  `cut at any of ${cutAts.length} bytes, a blob arrives whole, by Range from where it broke`,
  () =>
    withStage('cut', { upstream: 'entrepot' }, async (stage) => {
      const layers = await blobs(cutAts.map(String));
      for (const [at, layer] of layers.entries()) {
        const url = await put(stage, layer);
        const cutAt = cutAts[at] ?? 0;
        stage.proxy.setRule(({ class: kind, nth }) => (kind === 'blob' && nth === 1 ? { cutAt } : undefined));
        const got = await getBlob(url);
        expect({ cutAt, ...got }).toMatchObject({ cutAt, status: 200, clean: true, digest: layer.digest });
        const { receivedBytes } = stage.proxy.summary();
        expect(receivedBytes).toBeLessThanOrEqual(layer.sizeBytes + forgottenBytes);
        const [, again] = stage.proxy.exchanges();
        if (cutAt > forgottenBytes) expect(again?.range).toMatch(/^bytes=\d+-/);
        expect(stage.proxy.exchanges().length).toBeLessThanOrEqual(3);
      }
    }),
  timeoutMs,
);

test(
  'cut again and again, it goes on each time from where it was',
  () =>
    withStage('cuts', { upstream: 'entrepot' }, async (stage) => {
      const [layer] = await blobs(['often']);
      if (!layer) throw new Error('no layer');
      const url = await put(stage, layer);
      stage.proxy.setRule(({ nth }) => (nth <= 3 ? { cutAt: 800_000 } : undefined));
      expect(await getBlob(url)).toMatchObject({ status: 200, clean: true, digest: layer.digest });
      expect(stage.proxy.summary().receivedBytes).toBeLessThanOrEqual(layer.sizeBytes + 3 * forgottenBytes);
    }),
  timeoutMs,
);

type BlobRow = {
  readonly name: string;
  readonly fault: Fault;
  /** Before any byte: an error of this status and code. Else the transfer breaks. */
  readonly status?: number;
  readonly code?: string;
};
const first = (fault: Fault, row: Omit<BlobRow, 'fault'>): BlobRow => ({ ...row, fault });
const blobRows: readonly BlobRow[] = [
  first(refusal(404, 'BLOB_UNKNOWN'), { name: '404', status: 404, code: 'BLOB_UNKNOWN' }),
  first(refusal(401, 'UNAUTHORIZED'), { name: '401', status: 502, code: 'UPSTREAM_DENIED' }),
  first(refusal(403, 'DENIED'), { name: '403', status: 502, code: 'UPSTREAM_DENIED' }),
  first(refusal(429, 'TOOMANYREQUESTS', { 'retry-after': '1' }), {
    name: '429',
    status: 429,
    code: 'TOOMANYREQUESTS',
  }),
  first(refusal(500, 'INTERNAL'), { name: '500', status: 502, code: 'UPSTREAM_UNAVAILABLE' }),
  first({ cutAt: 'head' }, { name: 'no head', status: 502, code: 'UPSTREAM_UNAVAILABLE' }),
  first({ damageAt: 1_234_567 }, { name: 'a wrong byte' }),
  first({ damageAt: blobBytes - 1 }, { name: 'a wrong byte near the end' }),
  first({ resizeTo: blobBytes / 2 }, { name: 'half of it, said to be all' }),
  first({ resizeTo: blobBytes * 2 }, { name: 'twice as much' }),
];

test(
  'what an upstream’s blobs may be like: never a clean end of wrong bytes, never kept, and right once it is well',
  () =>
    withStage('blobs', { upstream: 'entrepot', namespace: 'negativeFor: 0s' }, async (stage) => {
      const layers = await blobs(blobRows.map(({ name }) => name.replaceAll(/[^a-z0-9]+/g, '-')));
      for (const [at, { name, fault, status, code }] of blobRows.entries()) {
        const layer = layers[at];
        if (!layer) throw new Error('no layer');
        const url = await put(stage, layer);
        stage.proxy.setRule((request) => (request.class === 'blob' ? fault : undefined));
        if (status === undefined) {
          const got = await getBlob(url).catch(() => undefined);
          expect({ name, broke: got === undefined || !got.clean || got.status >= 500 }).toEqual({ name, broke: true });
        } else {
          const answer = await seen(await fetch(url));
          expect([name, answer.status, answer.code]).toEqual([name, status, code]);
        }
        stage.proxy.setRule(undefined);
        await eventually(async () => (await getBlob(url)).digest === layer.digest, name);
      }
    }),
  timeoutMs,
);

// Longer than a breaker stays open or a limit lasts in these rows.
const recoveryMs = 45_000;

async function eventually(holds: () => Promise<boolean>, name: string): Promise<void> {
  const deadline = Date.now() + recoveryMs;
  while (!(await holds().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`${name}: not right again in time`);
    await Bun.sleep(100);
  }
}

test(
  'a reader that leaves does not end the download; the next one finds it',
  () =>
    withStage('leave', { upstream: 'entrepot', link: { bytesPerSecond: 3_000_000 } }, async (stage) => {
      const [layer] = await blobs(['leave']);
      if (!layer) throw new Error('no layer');
      const url = await put(stage, layer);
      const controller = new AbortController();
      const response = await fetch(url, { signal: controller.signal });
      const reader = response.body?.getReader();
      expect((await reader?.read())?.value?.length).toBeGreaterThan(0);
      controller.abort();
      // A part of it by Range, while the rest is on its way, and then all of it.
      const part = await fetch(url, { headers: { range: 'bytes=1000-1999' } });
      expect(part.status).toBe(206);
      const whole = Buffer.from(await Bun.file(layer.path).arrayBuffer());
      expect(Buffer.compare(Buffer.from(await part.arrayBuffer()), whole.subarray(1000, 2000))).toBe(0);
      expect(await getBlob(url)).toMatchObject({ status: 200, clean: true, digest: layer.digest });
      expect(stage.proxy.list()).toEqual(['GET blob 200']);
    }),
  timeoutMs,
);
