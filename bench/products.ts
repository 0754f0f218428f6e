import { join } from 'node:path';
import { whyNot } from '../test/harness/need.ts';
import { acceptAll } from '../test/harness/read.ts';
import { type Server, startDistribution, startEntrepot, startZot } from '../test/harness/servers.ts';

/** A registry that caches another one. */
export type Product = {
  readonly name: string;
  /** Programs that it needs from elsewhere. */
  readonly programs: readonly string[];
  /** What stands before the upstream's names. */
  readonly prefix: string;
  readonly start: (place: { readonly folder: string; readonly upstream: string }) => Promise<Server>;
};

export const entrepot: Product = {
  name: 'entrepot',
  programs: [],
  prefix: 'hub/',
  start: ({ folder, upstream }) =>
    startEntrepot({
      folder,
      config: `registries:
  "${upstream}": { insecure: true }
namespaces:
  hub: { type: proxy, upstream: "${upstream}" }
  team: { type: hosted }
`,
    }),
};

export const distribution: Product = {
  name: 'distribution v3',
  programs: ['registry'],
  prefix: '',
  start: startDistribution,
};

export const zot: Product = { name: 'zot', programs: ['zot'], prefix: '', start: startZot };

export const products: readonly Product[] = [entrepot, distribution, zot];

export const isPresent = (product: Product): boolean => whyNot(product.programs) === undefined;

/** A new one, with nothing in it, that has served `warmUp` once: what is cold is the image, not the program. */
export async function withCold<T>(
  product: Product,
  place: { readonly folder: string; readonly upstream: string; readonly warmUp: string },
  body: (server: Server) => Promise<T>,
): Promise<T> {
  const server = await product.start({ ...place, folder: join(place.folder, product.name.replaceAll(' ', '-')) });
  try {
    const url = `http://${server.host}/v2/${product.prefix}${place.warmUp}`;
    const answer = await fetch(url, { headers: { accept: acceptAll } });
    if (!answer.ok) throw new Error(`${product.name}: ${url}: ${answer.status} ${await answer.text()}`);
    await answer.bytes();
    return await body(server);
  } finally {
    await server.stop();
  }
}
