import { expect, test } from 'bun:test';
import {
  cosignTags,
  type Descriptor,
  descriptorToJson,
  digestOf,
  MediaType,
  type RepositoryName,
  type TagName,
} from '#core/oci';
import { type Call, manifestUnknown, memory, type Registry } from '#core/registry';
import { manualClock, silentLog } from '#core/std';
import { applyMirror } from './apply.ts';
import { memoryState } from './state.ts';

const CALL: Call = { principal: { kind: 'system', name: 'test' }, requestId: 'test', purpose: 'mirror' };
const APP = 'app' as RepositoryName;

type Pushed = { readonly tags?: readonly string[]; readonly subject?: Descriptor };

async function push(registry: Registry, text: string, { tags = [], subject }: Pushed = {}): Promise<Descriptor> {
  const config = new TextEncoder().encode(text);
  await registry.putBlob(APP, { digest: digestOf(config) }, config, CALL);
  const json = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: { mediaType: MediaType.ociConfig, digest: digestOf(config), size: config.byteLength },
    layers: [],
    ...(subject ? { subject: descriptorToJson(subject) } : {}),
  };
  const bytes = new TextEncoder().encode(JSON.stringify(json));
  const options = { mediaType: MediaType.ociManifest, tags: tags as TagName[] };
  return (await registry.putManifest(APP, bytes, options, CALL)).descriptor;
}

/** A source of several replicas: some references are listed already and not to be had yet. */
function lagging(inner: Registry) {
  const late = new Set<string>();
  const registry: Registry = {
    ...inner,
    async getManifest(repository, reference, call) {
      if (late.has(reference)) throw manifestUnknown(repository, reference);
      return await inner.getManifest(repository, reference, call);
    },
    async resolveManifest(repository, reference, call) {
      if (late.has(reference)) throw manifestUnknown(repository, reference);
      return await inner.resolveManifest(repository, reference, call);
    },
  };
  return { registry, late };
}

function setUp(referrers: boolean) {
  const source = memory({ referrers });
  const { registry, late } = lagging(source);
  const destination = memory();
  const state = memoryState();
  const apply = () =>
    applyMirror(
      { name: 'base', repositories: ['app'], tags: {} },
      {
        source: { name: 'vendor.example', registry, prefix: '' },
        destinations: [{ name: 'here', registry: destination, prefix: '' }],
        state,
        clock: manualClock(),
        log: silentLog(),
        call: CALL,
        limits: { retryDelayMs: 1 },
      },
    );
  return { source, late, destination, apply };
}

test('a signature that was listed before it could be read comes with a later run', async () => {
  const { source, late, destination, apply } = setUp(true);
  const image = await push(source, 'image', { tags: ['v1'] });
  const signature = await push(source, 'signature', { subject: image });
  late.add(signature.digest);
  await apply();
  late.clear();
  await apply();
  const { value } = await destination.referrers(APP, image.digest, {}, CALL);
  expect(value.items.map(({ digest }) => digest)).toEqual([signature.digest]);
  expect(await apply()).toMatchObject({ outcome: 'ok', totals: { copied: 0 } });
});

test('a signature’s tag that is listed and not there fails no run, and comes once it is there', async () => {
  const { source, late, destination, apply } = setUp(false);
  const image = await push(source, 'image', { tags: ['v1'] });
  const [signatureTag = ''] = cosignTags(image.digest);
  await push(source, 'signature', { tags: [signatureTag] });
  late.add(signatureTag);
  expect((await apply()).outcome).toBe('ok');
  expect(await apply()).toMatchObject({ outcome: 'ok', totals: { copied: 0 } });
  late.clear();
  expect((await apply()).outcome).toBe('ok');
  await destination.resolveManifest(APP, signatureTag as TagName, CALL);
});
