import { expect, test } from 'bun:test';
import { type Digest, type ManifestReference, RegistryError, type RepositoryName, type TagName } from '#core/oci';
import { around, type Call, memory, memoryCache, type Registry } from '#core/registry';
import { type Clock, silentLog, systemClock } from '#core/std';
import {
  type Proxy as CachedNamespace,
  cached,
  createFlights,
  memoryProxyState,
  type UpstreamMember,
} from '#registries/proxy';
import { type Random, seededRandom } from '../faults/random.ts';
import { pushImage } from './copy-loopback.ts';
import { createForecast, freshness, type Image, type Pull, type Upstream } from './proxy-day.ts';

const dayMs = 24 * 3600 * 1000;
const pulls = 1000;
const seed = Number(process.env.ENTREPOT_SEED ?? 4);
const CALL: Call = { principal: { kind: 'system', name: 'test' }, requestId: 'day', purpose: 'pull' };
const repositories = ['library/redis', 'library/nginx', 'library/python', 'vendor/app'];
/** A version never moves; `typo`, which is asked for too, is not there. */
const moving = ['7.2', '7', 'latest'];
const tags = ['7.2.1', ...moving];
/** Nobody answers from ten to eleven. */
const outage = { fromMs: 10 * 3600 * 1000, toMs: 11 * 3600 * 1000 };

/** The upstream: a registry that notes what is asked of it, moves its tags, and is away for an hour. */
async function startUpstream(random: Random) {
  const inner = memory();
  const requests: string[] = [];
  const here = new Map<string, Image>();
  const byDigest = new Map<Digest, Image>();
  const pushed = new Map<string, Digest[]>();
  const state = { isUp: true };
  async function push(repository: string, tag: string): Promise<void> {
    // Some layers are everywhere, one is new.
    const layers = ['base', `of ${repository}`, `of ${repository} ${tag} ${random.below(1_000_000)}`];
    const { digest } = await pushImage(inner, layers, { repository, tags: [tag] });
    const manifest = await inner.getManifest(repository as RepositoryName, tag as TagName, CALL);
    const json = JSON.parse(new TextDecoder().decode(manifest.value.bytes)) as Record<'config', { digest: Digest }> &
      Record<'layers', { digest: Digest }[]>;
    const image = { digest, blobs: [json.config, ...json.layers].map((each) => each.digest) };
    here.set(`${repository}:${tag}`, image);
    byDigest.set(digest, image);
    pushed.set(repository, [...(pushed.get(repository) ?? []), digest]);
  }
  async function remove(repository: string, tag: string): Promise<void> {
    await inner.deleteTag(repository as RepositoryName, tag as TagName, CALL);
    here.delete(`${repository}:${tag}`);
  }
  const reader = around(inner, async (operation, proceed) => {
    const { name, repository, reference } = operation;
    const method = name.startsWith('get') ? 'GET' : 'HEAD';
    requests.push(name.endsWith('Blob') ? `${method} blob ${repository}` : `${method} ${repository}:${reference}`);
    if (!state.isUp) throw new RegistryError('UPSTREAM_UNAVAILABLE', 'away for an hour', { origin: 'upstream' });
    return proceed();
  });
  const view = (): Upstream => ({ isUp: state.isUp, tags: here, byDigest });
  return { reader, requests, pushed, state, push, remove, view };
}

function memberOf(reader: Registry): UpstreamMember {
  const at = { sinceMs: 0, failures: 0, state: 'closed' } as const;
  const counts = { requests: 0, bytes: 0, pulls: 0, active: 0, waiting: 0, reservePulls: 0, accounts: 1 };
  const state = () => ({ host: 'upstream.test', breaker: at, quotas: [], ...counts });
  return { upstream: { host: 'upstream.test', reader, state, close: async () => {} }, prefix: '' };
}

function proxyOver(reader: Registry, clock: Clock): CachedNamespace {
  const store = memoryCache();
  const { parts, linkBlob } = store.cache;
  const shared = { clock, random: Math.random, log: silentLog(), observe: () => {} };
  return cached({
    ...shared,
    namespace: 'hub' as RepositoryName,
    store,
    flights: createFlights({ ...shared, parts, link: linkBlob }),
    upstreams: [memberOf(reader)],
    state: memoryProxyState(clock),
    rules: {
      freshness: {
        freshForMs: freshness.usualMs,
        staleWhileRevalidateMs: 0,
        staleIfErrorMs: 30 * dayMs,
        negativeForMs: freshness.negativeMs,
        immutable: false,
        offline: false,
      },
      byTag: [
        { tags: ['semver'], immutable: true },
        { tags: ['latest'], freshForMs: freshness.latestMs },
      ],
      allow: [],
      deny: [],
      neverUpstream: [],
      platforms: [],
      whenDeleted: 'keep',
    },
  });
}

/** The manifest and every blob of it, one after another. Answers its digest, or undefined where there is none. */
async function pullAll(proxy: CachedNamespace, { repository, reference }: Pull): Promise<Digest | undefined> {
  const name = `hub/${repository}` as RepositoryName;
  try {
    const { value } = await proxy.getManifest(name, reference as ManifestReference, CALL);
    const json = JSON.parse(new TextDecoder().decode(value.bytes));
    for (const { digest } of [json.config, ...json.layers]) {
      const { value: blob } = await proxy.getBlob(name, digest, {}, CALL);
      if (blob.kind === 'stream') await new Response(blob.body).bytes();
    }
    return value.descriptor.digest;
  } catch (thrown) {
    if (thrown instanceof RegistryError) return undefined;
    throw thrown;
  }
}

/** What happens upstream by itself: tags move, one is deleted. */
async function livesOn(upstream: Awaited<ReturnType<typeof startUpstream>>, random: Random, at: number): Promise<void> {
  if (random.below(20) === 0) await upstream.push(random.pick(repositories) ?? '', random.pick(moving) ?? '');
  if (at === pulls / 2) await upstream.remove('vendor/app', '7.2');
}

test(`a day of ${pulls} pulls asks the upstream exactly what it must, ENTREPOT_SEED=${seed}`, async () => {
  const random = seededRandom(seed);
  const startMs = Date.UTC(2026, 0, 1);
  let nowMs = startMs;
  // Time stands still while a pull goes on.
  const clock: Clock = { now: () => nowMs, sleep: (ms, signal) => systemClock().sleep(Math.min(ms, 1), signal) };
  const upstream = await startUpstream(random);
  for (const repository of repositories) for (const tag of tags) await upstream.push(repository, tag);
  const proxy = proxyOver(upstream.reader, clock);
  const forecast = createForecast();
  const asked: string[] = [];
  const expected: string[] = [];
  for (let at = 0; at < pulls; at++) {
    nowMs += 1 + random.below((2 * dayMs) / pulls);
    upstream.state.isUp = nowMs < startMs + outage.fromMs || nowMs > startMs + outage.toMs;
    await livesOn(upstream, random, at);
    upstream.requests.length = 0;
    const repository = random.pick(repositories) ?? '';
    const digests = random.below(5) === 0 ? upstream.pushed.get(repository) : undefined;
    const pull = { repository, reference: random.pick(digests ?? [...tags, 'typo']) ?? '', atMs: nowMs };
    const predicted = forecast(pull, upstream.view());
    const digest = await pullAll(proxy, pull);
    // One by one, so that the first that differs is shown.
    const foreseen = { at, pull, asked: [...predicted.requests], digest: predicted.image?.digest };
    expect({ at, pull, asked: [...upstream.requests], digest }).toEqual(foreseen);
    asked.push(...upstream.requests);
    expected.push(...predicted.requests);
  }
  expect(asked).toEqual(expected);
  await proxy.close();
});
