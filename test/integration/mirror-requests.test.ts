import { afterEach, describe, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cosignTags, type RepositoryName, referrersTag, type TagName } from '#core/oci';
import { copy, memory, missingContent } from '#core/registry';
import { openSqlite } from '#core/sql';
import { silentLog, systemClock } from '#core/std';
import { applyMirror, mirrorSql, sqlState } from '#engine/mirror';
import { CALL, type Loopback, type LoopbackOptions, pushImage, pushIndex, startLoopback } from './copy-loopback.ts';

/** Requests over real HTTP on both sides: what the program promises about them, exactly. */
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

function loopback(options: LoopbackOptions = {}): Loopback {
  const started = startLoopback(options);
  stops.push(() => started.stop());
  return started;
}

/** Runs a mirror as a new process would: new clients, and a database opened anew. */
async function mirrorProcesses(source: Loopback, destinations: readonly Loopback[]) {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-mirror-'));
  stops.push(() => rm(folder, { recursive: true, force: true }));
  return async () => {
    const log = silentLog();
    const database = await openSqlite({ path: join(folder, 'state.db'), modules: [mirrorSql], writer: 'inline', log });
    try {
      return await applyMirror(
        { name: 'base', repositories: ['app'], tags: {} },
        {
          source: { name: source.host, registry: source.client(), prefix: 'vendor' },
          destinations: destinations.map((each) => ({ name: each.host, registry: each.client(), prefix: 'team' })),
          state: sqlState(database),
          clock: systemClock(),
          log,
          call: CALL,
        },
      );
    } finally {
      await database.close();
    }
  };
}

const times = (count: number, request: string) => Array<string>(count).fill(request);
const SHARED = ['one', 'two', 'three', 'four'].map((name) => name.repeat(20_000));
const TEAM = 'team/app' as RepositoryName;

async function pushTenTags(source: Loopback) {
  const images = [];
  for (let n = 0; n < 10; n++) {
    images.push(await pushImage(source.inner, [...SHARED, `own layer ${n}`.repeat(10_000)], { tags: [`1.${n}`] }));
  }
  return images;
}

describe('a source without the referrers API', () => {
  test('one image of 5 layers: 23 requests', async () => {
    const source = loopback({ referrers: false });
    const destination = loopback();
    await pushImage(source.inner, [...SHARED, 'five'], { tags: ['1.0'] });
    const subject = { repository: 'vendor/app' as RepositoryName, reference: '1.0' as TagName };
    await copy(source.client(), destination.client(), subject, { call: CALL, clock: systemClock() });
    const asked = source.take();
    const sent = destination.take();
    // The client answers its first question about referrers from the fallback tag: one GET that finds none.
    expect(asked).toEqual([
      ...times(6, 'blobGet 200'),
      ...times(1, 'manifestGet 200'),
      'manifestGet 404',
      'referrers 404',
      'tags 200',
    ]);
    expect(sent).toEqual([...times(6, 'blobMount 202'), 'manifestPut 201', ...times(6, 'uploadCommit 201')]);
    expect(asked.length + sent.length).toBeLessThanOrEqual(23);
  });

  test('ten tags that share four of five layers: below 100 requests; a new process that has nothing to do: 11', async () => {
    const source = loopback({ referrers: false });
    const destination = loopback();
    const images = await pushTenTags(source);
    const apply = await mirrorProcesses(source, [destination]);
    expect((await apply()).totals).toMatchObject({ copied: 10, blobsRead: 24 });
    const asked = source.take();
    const sent = destination.take();
    expect(asked).toEqual([
      ...times(24, 'blobGet 200'),
      ...times(10, 'manifestGet 200'),
      'manifestGet 404',
      'referrers 404',
      'tags 200',
    ]);
    expect(sent).toEqual([
      ...times(24, 'blobMount 202'),
      ...times(10, 'manifestPut 201'),
      ...times(24, 'uploadCommit 201'),
    ]);
    expect(asked.length + sent.length).toBeLessThanOrEqual(100);
    for (const [n, { digest }] of images.entries()) {
      const { value } = await destination.inner.resolveManifest(TEAM, `1.${n}` as TagName, CALL);
      expect(value.digest).toBe(digest);
    }

    expect((await apply()).totals).toMatchObject({ unchanged: 10, copied: 0 });
    expect(source.take()).toEqual([...times(10, 'manifestHead 200'), 'tags 200']);
    expect(destination.take()).toEqual([]);
  });

  test('three destinations: every byte leaves the source once', async () => {
    const source = loopback({ referrers: false });
    const destinations = [loopback(), loopback(), loopback()];
    await pushTenTags(source);
    const apply = await mirrorProcesses(source, destinations);
    const result = await apply();
    expect(result).toMatchObject({ outcome: 'ok', totals: { copied: 30, blobsRead: 24 } });
    expect(source.blobBytesOut()).toBe(result.totals.bytesRead);
    expect(source.take().filter((request) => request === 'blobGet 200')).toHaveLength(24);
    expect(result.totals.bytesUploaded).toBe(3 * result.totals.bytesRead);
    for (const { inner } of destinations) {
      expect(await missingContent(inner, { repository: TEAM, reference: '1.9' as TagName }, CALL)).toEqual([]);
    }
  });

  test('a signature by cosign tag, and a referrer by the fallback tag, are found at an unchanged digest', async () => {
    const source = loopback({ referrers: false });
    const destination = loopback();
    const image = await pushImage(source.inner, ['layer'], { tags: ['1.0'] });
    const apply = await mirrorProcesses(source, [destination]);
    await apply();
    const [sigTag = ''] = cosignTags(image.digest);
    const signature = await pushImage(source.inner, ['signature'], { tags: [sigTag] });
    expect((await apply()).images).toMatchObject([{ status: 'copied', reason: 'companions' }]);
    const { value } = await destination.inner.resolveManifest(TEAM, sigTag as TagName, CALL);
    expect(value.digest).toBe(signature.digest);

    const sbom = await pushImage(source.inner, ['sbom'], { subject: image, artifactType: 'application/spdx+json' });
    await pushIndex(source.inner, [sbom], { tags: [referrersTag(image.digest)] });
    expect((await apply()).images).toMatchObject([{ status: 'copied', reason: 'companions' }]);
    const referrers = await destination.inner.referrers(TEAM, image.digest, {}, CALL);
    expect(referrers.value.items).toMatchObject([{ digest: sbom.digest, artifactType: 'application/spdx+json' }]);

    source.take();
    destination.take();
    expect((await apply()).totals).toMatchObject({ unchanged: 1 });
    // The image, its signature, its list: one HEAD each.
    expect(source.take()).toEqual([...times(3, 'manifestHead 200'), 'tags 200']);
    expect(destination.take()).toEqual([]);
  });
});

describe('a source with the referrers API', () => {
  test('costs one request more a digest, and a child on the first copy', async () => {
    const source = loopback();
    const destination = loopback();
    const children = [await pushImage(source.inner, ['amd']), await pushImage(source.inner, ['arm'])];
    await pushIndex(source.inner, children, { tags: ['1.0', 'latest'] });
    const apply = await mirrorProcesses(source, [destination]);
    expect((await apply()).outcome).toBe('ok');
    expect(source.take().filter((request) => request === 'referrers 200')).toHaveLength(3);
    expect((await apply()).totals).toMatchObject({ unchanged: 2 });
    expect(source.take()).toEqual([...times(2, 'manifestHead 200'), 'referrers 200', 'tags 200']);
  });

  test('a referrer added to an unchanged digest is copied, and listed where the destination has no such API', async () => {
    const source = loopback();
    const destination = loopback({ inner: memory({ referrers: false }), referrers: false });
    const image = await pushImage(source.inner, ['layer'], { tags: ['1.0'] });
    const apply = await mirrorProcesses(source, [destination]);
    await apply();
    const signature = await pushImage(source.inner, ['signature'], { subject: image });
    expect((await apply()).images).toMatchObject([{ status: 'copied', reason: 'companions' }]);
    const list = await destination.inner.getManifest(TEAM, referrersTag(image.digest), CALL);
    expect(new TextDecoder().decode(list.value.bytes)).toContain(signature.digest);
    expect((await apply()).totals).toMatchObject({ unchanged: 1 });
  });
});
