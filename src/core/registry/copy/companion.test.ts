import { expect, test } from 'bun:test';
import { cosignTags, type TagName } from '#core/oci';
import { systemClock } from '#core/std';
import { memory } from '../memory/memory.ts';
import type { Registry } from '../types.ts';
import { copy } from './copy.ts';
import { createFixture, REPO, TEST_CALL } from './fixture.ts';
import type { CopyEvent } from './types.ts';
import { missingContent } from './verify.ts';

test('own blobs are on their way while it is being found out what hangs on the image', async () => {
  const made = createFixture(memory());
  const image = await made.image('a', { tags: ['1.0'] });
  const [signature = ''] = cosignTags(image.digest);
  await made.image('sig', { tags: [signature], layers: ['signature'] });
  const blobAsked = Promise.withResolvers<void>();
  const source: Registry = {
    ...made.registry,
    getBlob: async (...args) => {
      blobAsked.resolve();
      return await made.registry.getBlob(...args);
    },
    referrers: async (...args) => {
      await blobAsked.promise;
      return await made.registry.referrers(...args);
    },
  };
  const planned: unknown[] = [];
  const onEvent = (event: CopyEvent) => {
    if (event.kind === 'planned' || event.kind === 'planned-more') planned.push([event.kind, event.manifests]);
  };
  const destination = memory();
  const reference = '1.0' as TagName;
  await copy(source, destination, { repository: REPO, reference }, { call: TEST_CALL, clock: systemClock(), onEvent });
  for (const each of [reference, signature as TagName]) {
    expect(await missingContent(destination, { repository: REPO, reference: each }, TEST_CALL)).toEqual([]);
  }
  expect(planned).toEqual([
    ['planned', 1],
    ['planned-more', 2],
  ]);
});
