import { expect, test } from 'bun:test';
import { type Digest, MediaType, RegistryError, type RepositoryName, type TagName } from '#core/oci';
import { bytesOf, pushImage, repo, type SampleImage, sampleBlob, sampleManifest, tag } from '#core/registry/contract';
import { fakeUpstream, fixture, HOUR, MINUTE, PULL } from './proxy.fake.ts';

/** Numbers from 0 up to 1, the same every time. Mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A layer that all images have, as those of one base do. */
const BASE = sampleBlob('the base of all', 500);

function imageOf(seed: string): SampleImage {
  const config = sampleBlob(`${seed} config`);
  const blobs = [config, BASE, sampleBlob(`${seed} layer`)];
  const describe = (mediaType: string, index: number) => {
    const blob = blobs[index] ?? config;
    return { mediaType, digest: blob.digest, size: blob.bytes.byteLength };
  };
  const layers = [describe(MediaType.ociLayerGzip, 1), describe(MediaType.ociLayerGzip, 2)];
  return {
    ...sampleManifest(MediaType.ociManifest, { config: describe(MediaType.ociConfig, 0), layers }),
    config,
    blobs,
  };
}

const REPOSITORIES = ['library/redis', 'library/nginx', 'grafana/loki'] as const;
const PUBLISHED = ['1', '2', 'latest'] as const;
const ASKED = [...PUBLISHED, 'missing'] as const;
const STYLES = ['get', 'head and get', 'digest'] as const;

/** What the proxy ought to know, kept by hand: what was asked and when, what is here. */
type Ledger = {
  readonly known: Map<string, { readonly digest: Digest | undefined; readonly atMs: number }>;
  readonly manifests: Set<string>;
  readonly blobs: Set<string>;
  readonly anywhere: Set<Digest>;
  readonly asked: string[];
};

type Pull = { readonly name: string; readonly tag: string; readonly style: 'get' | 'head and get' | 'digest' };
type Moment = { readonly nowMs: number; readonly isDown: boolean; readonly there: Digest | undefined };

/** Writes down the questions that one pull may ask, and no others; answers the digest that the client gets. */
function expectedOf(ledger: Ledger, pull: Pull, moment: Moment): Digest | undefined {
  const digest = pull.style === 'digest' ? moment.there : expectedTagOf(ledger, pull, moment);
  if (digest === undefined) return undefined;
  const content = `${pull.name}@${digest}`;
  if (ledger.manifests.has(content)) return digest;
  ledger.asked.push(`GET ${content}`);
  if (moment.isDown) return undefined;
  ledger.manifests.add(content);
  return digest;
}

function expectedTagOf(ledger: Ledger, { name, tag: asked, style }: Pull, { nowMs, isDown, there }: Moment) {
  const key = `${name}:${asked}`;
  const known = ledger.known.get(key);
  const patienceMs = known?.digest === undefined ? MINUTE : 10 * MINUTE;
  if (known && nowMs - known.atMs < patienceMs) return known.digest;
  const isHead = style === 'head and get' || known?.digest !== undefined;
  ledger.asked.push(`${isHead ? 'HEAD' : 'GET'} ${key}`);
  if (isDown) return known?.digest;
  ledger.known.set(key, { digest: there, atMs: nowMs });
  if (!isHead && there) ledger.manifests.add(`${name}@${there}`);
  return there;
}

function expectedBlobOf(ledger: Ledger, name: string, digest: Digest): void {
  const content = `${name}@${digest}`;
  if (ledger.blobs.has(content)) return;
  ledger.asked.push(`${ledger.anywhere.has(digest) ? 'BLOB-HEAD' : 'BLOB'} ${content}`);
  ledger.blobs.add(content);
  ledger.anywhere.add(digest);
}

/** The upstream's day: what is there when, whether it answers, and the pulls. */
async function openDay() {
  const random = randomFrom(20260101);
  const pick = <T>(from: readonly [T, ...T[]]): T => from[Math.floor(random() * from.length)] ?? from[0];
  const upstream = fakeUpstream();
  const all = fixture({ upstreams: [upstream] });
  const startMs = all.clock.now();
  const tags = new Map<string, Digest>();
  const images = new Map<Digest, SampleImage>();
  const publish = async (name: string, tagName: string, seed: string) => {
    const image = imageOf(seed);
    await pushImage(upstream.registry, name, image, { tags: [tagName] });
    tags.set(`${name}:${tagName}`, image.descriptor.digest);
    images.set(image.descriptor.digest, image);
  };
  for (const name of REPOSITORIES) for (const each of PUBLISHED) await publish(name, each, `${name} ${each}`);
  return {
    ...all,
    images,
    /** Some 86 seconds later; a tag moves now and then, and for an hour of the evening nobody answers. */
    async next(nth: number): Promise<{ readonly pull: Pull; readonly moment: Moment }> {
      all.clock.advance(Math.floor(random() * 173_000));
      const nowMs = all.clock.now();
      const moved = pick(REPOSITORIES);
      if (nth % 40 === 39) await publish(moved, 'latest', `${moved} latest ${nth}`);
      const isDown = nowMs - startMs > 18 * HOUR && nowMs - startMs < 19 * HOUR;
      upstream.failure = isDown ? () => DOWN : undefined;
      const pull: Pull = { name: pick(REPOSITORIES), tag: pick(ASKED), style: pick(STYLES) };
      return { pull, moment: { nowMs, isDown, there: tags.get(`${pull.name}:${pull.tag}`) } };
    },
  };
}
const DOWN = new RegistryError('UPSTREAM_UNAVAILABLE', 'it is down', { origin: 'upstream' });

test('a day of 1,000 mixed pulls: the upstream is asked exactly what it must be', async () => {
  const day = await openDay();
  const { upstream } = day;
  const known: Ledger['known'] = new Map();
  const ledger: Ledger = { known, manifests: new Set(), blobs: new Set(), anywhere: new Set(), asked: [] };
  let { proxy } = day;
  let served = 0;
  for (let nth = 0; nth < 1000; nth++) {
    const { pull, moment } = await day.next(nth);
    // The process is begun anew at noon.
    if (nth === 500) proxy = day.again();
    const digest = expectedOf(ledger, pull, moment);
    expect({ nth, pull, digest: await pulled(proxy, pull, moment.there) }).toEqual({ nth, pull, digest });
    if (digest !== undefined) served++;
    for (const blob of (digest && day.images.get(digest)?.blobs) || []) {
      // While nobody answers a client gets what is here.
      if (moment.isDown && !ledger.blobs.has(`${pull.name}@${blob.digest}`)) continue;
      expectedBlobOf(ledger, pull.name, blob.digest);
      const got = await proxy.getBlob(repo(`hub/${pull.name}`), blob.digest, {}, PULL);
      expect(await bytesOf(got)).toEqual(blob.bytes);
    }
  }
  expect(upstream.asked).toEqual(ledger.asked);
  expect(served).toBeGreaterThan(600);
  const downloads = upstream.asked.filter((question) => question.startsWith('BLOB '));
  expect(new Set(downloads).size).toBe(downloads.length);
});

/** One pull as a client makes it; undefined: it fails. */
async function pulled(
  proxy: ReturnType<typeof fixture>['proxy'],
  { name, tag: asked, style }: Pull,
  wanted: Digest | undefined,
): Promise<Digest | undefined> {
  const local: RepositoryName = repo(`hub/${name}`);
  const tagName: TagName = tag(asked);
  try {
    if (style === 'get') return (await proxy.getManifest(local, tagName, PULL)).value.descriptor.digest;
    const digest = style === 'digest' ? wanted : (await proxy.resolveManifest(local, tagName, PULL)).value.digest;
    return digest && (await proxy.getManifest(local, digest, PULL)).value.descriptor.digest;
  } catch (thrown) {
    if (thrown instanceof RegistryError) return undefined;
    throw thrown;
  }
}
