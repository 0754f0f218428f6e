import { describe, expect, test } from 'bun:test';
import { memoryCache } from '#core/registry';
import { expectCode, pushImage, repo, sampleImage } from '#core/registry/contract';
import { fakeUpstream, fixture, HUB, PULL, REDIS, REDIS_THERE } from './proxy.fake.ts';

const image = sampleImage('secret of one upstream');
const { digest, bytes } = image.config;
const EVIL = repo('evil/any/app');

/** An upstream that says of every blob that it has it, and has none. */
function liar() {
  const fake = fakeUpstream('evil.test');
  const { reader } = fake;
  fake.reader = {
    ...reader,
    resolveBlob: async (_repository, asked) => ({
      value: { mediaType: 'application/octet-stream', digest: asked, size: bytes.byteLength },
      served: { by: 'evil.test', warnings: [] },
    }),
  };
  return fake;
}

describe('an upstream that claims what it has not', () => {
  test('opens nothing that came from another upstream', async () => {
    const store = memoryCache();
    const honest = fixture({ store });
    await pushImage(honest.upstream.registry, REDIS_THERE, image, { tags: ['7'] });
    await honest.proxy.getBlob(REDIS, digest, {}, PULL).then(({ value }) => value);
    await Bun.sleep(0);
    expect(await store.cache.findBlob(digest, [HUB])).toBeDefined();
    const { proxy } = fixture({ store, namespace: repo('evil'), upstreams: [liar()] });
    await expectCode(proxy.getBlob(EVIL, digest, {}, PULL), 'BLOB_UNKNOWN', 'NAME_UNKNOWN');
    await proxy.resolveBlob(EVIL, digest, PULL);
    await expectCode(proxy.getBlob(EVIL, digest, {}, PULL), 'BLOB_UNKNOWN', 'NAME_UNKNOWN');
    await expectCode(store.resolveBlob(EVIL, digest, PULL), 'BLOB_UNKNOWN', 'NAME_UNKNOWN');
  });

  test('opens nothing that was pushed here', async () => {
    const store = memoryCache();
    await store.putBlob(repo('team/private'), { digest }, bytes, PULL);
    const { proxy } = fixture({ store, namespace: repo('evil'), upstreams: [liar()] });
    await proxy.resolveBlob(EVIL, digest, PULL);
    await expectCode(proxy.getBlob(EVIL, digest, {}, PULL), 'BLOB_UNKNOWN', 'NAME_UNKNOWN');
    await expectCode(store.resolveBlob(EVIL, digest, PULL), 'BLOB_UNKNOWN', 'NAME_UNKNOWN');
  });
});
