import { join } from 'node:path';
import { type Image, makeImage, makeLayer } from './image.ts';
import { type Server, startDistribution, startEntrepot } from './servers.ts';
import { cacheFolder, tempFolder } from './temp.ts';

/** What a client test works with: a fresh registry, a folder that goes away, a small image. */
export type Bench = { readonly server: Server; readonly folder: string; readonly image: Image };

/**
 * Runs `body` with the registry under test, and takes all of it away afterwards.
 * `ENTREPOT_TEST_TARGET=registry` puts distribution v3 in its place: that proves the test, not us.
 */
export async function withRegistry(name: string, body: (bench: Bench) => Promise<void>): Promise<void> {
  const temp = tempFolder(name);
  const folder = join(temp.path, 'server');
  try {
    const server = await (process.env.ENTREPOT_TEST_TARGET === 'registry'
      ? startDistribution({ folder })
      : startEntrepot({ folder }));
    try {
      await body({ server, folder: temp.path, image: await smallImage(name) });
    } finally {
      await server.stop();
    }
  } finally {
    temp.dispose();
  }
}

/** Two layers: 40 kB that every small image shares, 200 kB of its own. */
export async function smallImage(name: string): Promise<Image> {
  const folder = join(cacheFolder(), 'layers');
  const shared = await makeLayer(folder, { seed: 'shared', contentBytes: 40_000 });
  const own = await makeLayer(folder, { seed: `own-${name}`, contentBytes: 200_000 });
  return makeImage([shared, own], name);
}
