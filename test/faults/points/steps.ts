import { digestOf, MediaType, parseRepository, parseTag } from '#core/oci';
import { faultCall, type Step, workloads } from '#registries/store/testing';

const repository = parseRepository('team/graph');
const config = encode({ architecture: 'amd64', os: 'linux' });
const image = encode({
  schemaVersion: 2,
  mediaType: MediaType.ociManifest,
  config: { mediaType: MediaType.ociConfig, digest: digestOf(config), size: config.length },
  layers: [],
});
const toImage = { mediaType: MediaType.ociManifest, digest: digestOf(image), size: image.length };
const index = encode({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [toImage] });
const signature = encode({
  schemaVersion: 2,
  mediaType: MediaType.ociManifest,
  artifactType: 'application/vnd.example.signature',
  config: { mediaType: MediaType.ociConfig, digest: digestOf(config), size: config.length },
  layers: [],
  subject: toImage,
});

/** The store's own workloads, and after them manifests that refer to manifests. */
export function steps(): Step[] {
  return [
    // Its gc takes what the other leaves without a manifest: it comes first.
    ...workloads.cache(),
    ...workloads.registry(),
    {
      name: 'push a config to a repository of graphs',
      act: (store) => store.putBlob(repository, { digest: digestOf(config) }, config, faultCall),
      adds: [`${repository} ${digestOf(config)}`],
    },
    put('push an image', image, { mediaType: MediaType.ociManifest, tag: 'image' }),
    put('push an index', index, { mediaType: MediaType.ociIndex, tag: 'index' }),
    put('push a referrer', signature, { mediaType: MediaType.ociManifest, tag: 'signature' }),
  ];
}

function put(name: string, bytes: Uint8Array, { mediaType, tag }: { mediaType: string; tag: string }): Step {
  return {
    name,
    act: (store) => store.putManifest(repository, bytes, { mediaType, tags: [parseTag(tag)] }, faultCall),
    adds: [`${repository}:${tag} ${digestOf(bytes)}`],
  };
}

function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
