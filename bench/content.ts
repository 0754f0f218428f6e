import { join } from 'node:path';
import { type Image, type Layer, makeImage, makeLayer } from '../test/harness/image.ts';

const MB = 1_000_000;
const GiB = 2 ** 30;

/** `demo/app`: ten tags; a root of 43 MB and three layers of 20 MB are shared, 2 MB are each tag's own. */
export const appTags: readonly string[] = Array.from({ length: 10 }, (_, at) => `1.${at}`);

export async function appImages(cache: string): Promise<ReadonlyMap<string, Image>> {
  const layer = (seed: string, contentBytes: number) => makeLayer(join(cache, 'layers'), { seed, contentBytes });
  const shared: Layer[] = [await layer('root', 43 * MB)];
  for (const seed of ['shared-1', 'shared-2', 'shared-3']) shared.push(await layer(seed, 20 * MB));
  const images = new Map<string, Image>();
  for (const tag of appTags) images.set(tag, makeImage([...shared, await layer(`own-${tag}`, 2 * MB)], tag));
  return images;
}

/** `demo/big`: one layer of 1 GiB. */
export async function bigImage(cache: string): Promise<Image> {
  return makeImage([await makeLayer(join(cache, 'layers'), { seed: 'big', contentBytes: GiB })]);
}

/** Bytes of all blobs and manifests, each digest once. */
export function totalBytes(images: Iterable<Image>): number {
  const sizes = new Map<string, number>();
  for (const image of images) {
    for (const layer of image.layers) sizes.set(layer.digest, layer.sizeBytes);
    sizes.set(image.configDigest, image.config.length);
    sizes.set(image.digest, image.manifest.length);
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}
