import { expect, test } from 'bun:test';
import { digestOf, MediaType, type RepositoryName, type TagName } from '#core/oci';
import { type Call, memory } from '#core/registry';
import { silentLog, systemClock } from '#core/std';
import { applyMirror } from './apply.ts';
import { memoryState } from './state.ts';

const call: Call = { principal: { kind: 'system', name: 'mirror' }, requestId: 'readme', purpose: 'mirror' };

test('the example of the README', async () => {
  const quay = memory();
  const store = memory();
  const config = new TextEncoder().encode('{}');
  for (const repository of ['vendor/nginx', 'vendor/python3'] as RepositoryName[]) {
    const blob = await quay.putBlob(repository, { digest: digestOf(config) }, config, call);
    const manifest = {
      schemaVersion: 2,
      mediaType: MediaType.ociManifest,
      config: { ...blob, mediaType: MediaType.ociConfig },
      layers: [],
    };
    const tags = ['1.19.0', '1.20.0', '1.21.0-rc1'] as TagName[];
    const bytes = new TextEncoder().encode(JSON.stringify(manifest));
    await quay.putManifest(repository, bytes, { mediaType: MediaType.ociManifest, tags }, call);
  }

  const spec = {
    name: 'base-images',
    repositories: ['nginx', 'python*'],
    tags: { semver: '>=1.20', exclude: ['*-rc*'] },
  };
  const result = await applyMirror(spec, {
    source: { name: 'quay.io', registry: quay, prefix: 'vendor' },
    destinations: [{ name: 'here', registry: store, prefix: 'team' }],
    state: memoryState(),
    clock: systemClock(),
    log: silentLog(),
    call,
  });

  expect(result.outcome).toBe('ok');
  expect(result.images.map(({ destination }) => `${destination.repository}:${destination.tag}`)).toEqual([
    'team/nginx:1.20.0',
    'team/python3:1.20.0',
  ]);
});
