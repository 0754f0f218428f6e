import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Image, manifestType, sha256 } from './image.ts';

/** Writes an image into an OCI layout folder under a tag. image-spec image-layout.md */
export function writeLayout(folder: string, tag: string, image: Image): string {
  const blobs = join(folder, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const file = (digest: string) => join(blobs, digest.replace('sha256:', ''));
  for (const layer of image.layers) copyFileSync(layer.path, file(layer.digest));
  writeFileSync(file(image.configDigest), image.config);
  writeFileSync(file(image.digest), image.manifest);
  writeFileSync(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  const descriptor = {
    mediaType: manifestType,
    digest: image.digest,
    size: image.manifest.length,
    annotations: { 'org.opencontainers.image.ref.name': tag },
    platform: { architecture: 'amd64', os: 'linux' },
  };
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }));
  return folder;
}

/** Digests of the manifests that a layout's index names. */
export function layoutDigests(folder: string): readonly string[] {
  const index: { manifests: { digest: string }[] } = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8'));
  return index.manifests.map((each) => each.digest);
}

/** Bytes of a blob in a layout, checked against its name. */
export function layoutBlob(folder: string, digest: string): Uint8Array {
  const bytes = readFileSync(join(folder, 'blobs', digest.replace(':', '/')));
  if (sha256(bytes) !== digest) throw new Error(`${digest} has other content in ${folder}`);
  return bytes;
}
