import { expect, test } from 'bun:test';
import { expectCode, pushImage, pushManifest, repo, sampleImage, sampleIndex, testCall } from '#core/registry/contract';
import { type Clock, systemClock } from '#core/std';
import { freshStore } from './testing/mod.ts';

const name = repo('team/app');
const call = testCall();
const image = sampleImage('child');
const { digest } = image.descriptor;
const gc = { graceMs: 60_000, untagged: true };

async function withOldImage() {
  let aheadMs = 0;
  const clock: Clock = { now: () => systemClock().now() + aheadMs, sleep: async () => {} };
  const held = { commits: undefined as Promise<void> | undefined, reached: () => {} };
  const fixture = await freshStore({
    clock,
    writePoint: async (point) => {
      if (point !== 'sql:commit:before') return;
      held.reached();
      await held.commits;
    },
  });
  const advance = () => {
    aheadMs += 120_000;
  };
  await pushImage(fixture.store, name, image);
  advance();
  return { fixture, held, advance };
}

test('asking for an untagged manifest by digest holds gc back: an index of it may follow', async () => {
  const { fixture } = await withOldImage();
  const { store } = fixture;
  await store.resolveManifest(name, digest, call);
  expect(await store.gcRun(gc)).toMatchObject({ manifests: 0, blobs: 0 });
  const index = sampleIndex([image]);
  await pushManifest(store, name, index);
  await store.getManifest(name, digest, call);
  await fixture.dispose();
});

test('what an asked manifest leads to stays with it', async () => {
  const { fixture, advance } = await withOldImage();
  const { store } = fixture;
  const index = sampleIndex([image]);
  await pushManifest(store, name, index);
  advance();
  await store.resolveManifest(name, index.descriptor.digest, call);
  expect(await store.gcRun(gc)).toMatchObject({ manifests: 0 });
  advance();
  expect(await store.gcRun(gc)).toMatchObject({ manifests: 2 });
  await fixture.dispose();
});

test('whoever asks while gc takes a manifest hears the outcome', async () => {
  const { fixture, held } = await withOldImage();
  const { store } = fixture;
  const reached = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  held.commits = go.promise;
  held.reached = reached.resolve;
  const run = store.gcRun(gc);
  await reached.promise;
  const asked = store.resolveManifest(name, digest, call);
  go.resolve();
  await expectCode(asked, 'MANIFEST_UNKNOWN');
  expect(await run).toMatchObject({ manifests: 1 });
  await fixture.dispose();
});
