import { isRegistryError, MediaType, parseRepository, parseTag, type RepositoryName } from '#core/oci';
import type { Part } from '#core/registry';
import type { Store } from '../store.ts';
import { blobOf, growingBlobs, indexOf, manifestOf, type SampleBlob } from './sample.ts';
import type { Step } from './workload.ts';

const [hub, redis, nginx] = ['hub', 'hub/library/redis', 'hub/library/nginx'].map(parseRepository) as [
  RepositoryName,
  RepositoryName,
  RepositoryName,
];

/** The life of a cache's content: parts that break off and go on, manifests before their blobs, links, uses, eviction. */
export function cacheWorkload(): Step[] {
  const [config, layer, other] = [blobOf('cache config'), blobOf('cache layer', 4000), blobOf('cache other', 900)];
  const [growing, refused, left] = growingBlobs() as [SampleBlob, SampleBlob, SampleBlob];
  const child = manifestOf(config, [layer], 'child');
  const index = indexOf([child]);
  const old = manifestOf(other, [layer], 'old');
  return [
    { name: 'break off a download', act: (store) => break_(store, growing, 1_900_000) },
    // It syncs the folder: the name of the part that broke off is on disk now.
    { name: 'refuse what lies about its digest', act: (store) => refuse(store, refused) },
    {
      name: 'go on with it',
      act: (store) => bring(store, growing, [redis, nginx]),
      adds: facts([redis, nginx], growing),
    },
    keep('keep a manifest before its blobs', { manifest: old, tags: ['6'] }),
    ...[other, layer].map((blob) => fetched(blob)),
    keep('keep an index before its children', {
      manifest: index,
      tags: ['7', 'latest'],
      mediaType: MediaType.ociIndex,
    }),
    keep('keep a child', { manifest: child, tags: [] }),
    fetched(config),
    {
      name: 'link a blob to another repository',
      act: (store) => store.cache.linkBlob(nginx, layer.digest),
      adds: facts([nginx], layer),
    },
    {
      name: 'move a tag back',
      act: (store) => store.cache.keepTag(redis, parseTag('latest'), old.digest),
      adds: [`${redis}:latest ${old.digest}`],
    },
    { name: 'download what is here already', act: (store) => bring(store, layer, [redis]) },
    {
      name: 'make room: what was used stays',
      async act(store) {
        // A use is a millisecond later than what was kept before it.
        await Bun.sleep(2);
        store.cache.touch(redis, child.digest);
        const staying = [index, child, config, layer];
        const targetBytes = staying.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
        await store.cache.evict(hub, { targetBytes, isPinned: () => false });
      },
      removes: [
        `${redis}:6`,
        `${redis}:latest`,
        ...facts([redis], other),
        ...facts([redis, nginx], growing),
        // No manifest names it there.
        ...facts([nginx], layer),
      ],
    },
    keep('keep again what was dropped', { manifest: old, tags: ['6'] }),
    fetched(other),
    {
      name: 'make room for all',
      act: (store) => store.cache.evict(hub, { targetBytes: 0, isPinned: () => false }),
      removes: [
        ...['6', '7', 'latest'].map((tag) => `${redis}:${tag}`),
        ...[config, layer, other].flatMap((blob) => facts([redis], blob)),
      ],
    },
    fetched(layer),
    { name: 'break off a download and leave it', act: (store) => break_(store, left, 500) },
    {
      name: 'reclaim',
      act: (store) => store.gcRun({ graceMs: 0, untagged: true }),
      removes: facts([redis], layer),
    },
  ];
}

const facts = (repositories: readonly RepositoryName[], { digest }: SampleBlob) =>
  repositories.map((repository) => `${repository} ${digest}`);

type Keep = {
  readonly manifest: { readonly bytes: Uint8Array; readonly digest: string };
  readonly tags: readonly string[];
  readonly mediaType?: string;
};

function keep(name: string, { manifest, tags, mediaType = MediaType.ociManifest }: Keep): Step {
  return {
    name,
    act: (store) => store.cache.keepManifest(redis, manifest.bytes, { mediaType, tags: tags.map(parseTag) }),
    adds: tags.map((tag) => `${redis}:${tag} ${manifest.digest}`),
  };
}

function fetched(blob: SampleBlob): Step {
  return { name: 'fetch a blob', act: (store) => bring(store, blob, [redis]), adds: facts([redis], blob) };
}

async function grow(part: Part, bytes: Uint8Array, end = bytes.byteLength): Promise<void> {
  while (part.offset < end) await part.append(bytes.slice(part.offset, Math.min(part.offset + PIECE_BYTES, end)));
}
const PIECE_BYTES = 300_000;

async function break_(store: Store, blob: SampleBlob, at: number): Promise<void> {
  const part = await store.cache.parts.open(blob.digest);
  await letGo(part, async () => grow(part, blob.bytes, at));
}

async function bring(store: Store, blob: SampleBlob, repositories: readonly RepositoryName[]): Promise<void> {
  const part = await store.cache.parts.open(blob.digest);
  await letGo(part, async () => {
    await grow(part, blob.bytes);
    await part.commit(repositories, blob.bytes.byteLength);
  });
}

/** Whatever comes of it, the part is let go of, as a flight does. */
async function letGo(part: Part, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } finally {
    await part.close();
  }
}

async function refuse(store: Store, blob: SampleBlob): Promise<void> {
  const part = await store.cache.parts.open(blob.digest);
  await letGo(part, async () => {
    await part.append(new Uint8Array(blob.bytes.byteLength - part.offset));
    await part.commit([redis], blob.bytes.byteLength).catch((thrown: unknown) => {
      if (!isRegistryError(thrown, 'DIGEST_INVALID')) throw thrown;
    });
  });
}
