import { describe, expect, test } from 'bun:test';
import { isRegistryError, RegistryError, toWireErrors } from '#core/oci';
import { memoryCache } from '#core/registry';
import { expectCode, pushImage, repo, sampleImage } from '#core/registry/contract';
import { AppError } from '#core/std';
import { fakeUpstream, fixture, HUB, PULL, REDIS, REDIS_THERE, SEVEN } from './proxy.fake.ts';

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

test('what is wrong with our own settings is for the log, not for whoever pulls', async () => {
  const { proxy, upstream } = fixture();
  upstream.failure = () =>
    new AppError('CREDENTIALS_UNREADABLE', 'cannot be read from /run/secrets/hub') as unknown as RegistryError;
  const thrown = await proxy.getManifest(REDIS, SEVEN, PULL).catch((error: unknown) => error);
  if (!isRegistryError(thrown, 'UPSTREAM_UNAVAILABLE')) throw thrown;
  expect(JSON.stringify(toWireErrors(thrown))).not.toContain('/run/secrets');
  expect(thrown.cause).toMatchObject({ cause: { code: 'CREDENTIALS_UNREADABLE' } });
});

test('the remedy for what an upstream does is not told to whoever pulls', () => {
  const error = { why: 'it says no', hint: 'asked as corp: set registries."docker.io".credentials' };
  const told = (origin: 'local' | 'upstream') =>
    toWireErrors(new RegistryError('UPSTREAM_DENIED', 'refused', { ...error, origin })).errors[0]?.message;
  expect(told('upstream')).toBe('refused; it says no');
  expect(told('local')).toContain('asked as corp');
});
