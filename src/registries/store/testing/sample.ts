import { digestOf, MediaType } from '#core/oci';

export const blobOf = (seed: string, sizeBytes = 300) => {
  const bytes = new Uint8Array(sizeBytes).map(
    (_, index) => (index * 31 + seed.length * 7 + seed.charCodeAt(index % seed.length)) % 256,
  );
  return { bytes, digest: digestOf(bytes) };
};
export type SampleBlob = ReturnType<typeof blobOf>;

export function manifestOf(config: SampleBlob, layers: readonly SampleBlob[], note: string) {
  const descriptor = (mediaType: string, blob: SampleBlob) => ({
    mediaType,
    digest: blob.digest,
    size: blob.bytes.byteLength,
  });
  const bytes = new TextEncoder().encode(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MediaType.ociManifest,
      config: descriptor(MediaType.ociConfig, config),
      layers: layers.map((layer) => descriptor(MediaType.ociLayer, layer)),
      annotations: { note },
    }),
  );
  return { bytes, digest: digestOf(bytes) };
}

/** An index of manifests made before. */
export function indexOf(children: readonly ReturnType<typeof manifestOf>[]) {
  const manifests = children.map(({ digest, bytes }) => ({
    mediaType: MediaType.ociManifest,
    digest,
    size: bytes.byteLength,
  }));
  const text = JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests });
  const bytes = new TextEncoder().encode(text);
  return { bytes, digest: digestOf(bytes) };
}

/** Blobs that come in parts, so that what is kept of one can be told right from wrong. */
export function growingBlobs() {
  return [blobOf('growing', GROWING_BYTES), blobOf('refused', 700), blobOf('left', 1_000)];
}
/** Longer than the window of writes, so that some of it is written, and synced, while more comes. */
const GROWING_BYTES = 2_200_000;
