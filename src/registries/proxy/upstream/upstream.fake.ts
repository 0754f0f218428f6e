import { digestOf, MediaType, parseRepository, parseTag, RegistryError, type RegistryErrorOptions } from '#core/oci';
import { type Call, memory } from '#core/registry';
import { type Clock, manualClock, silentLog, streamOf } from '#core/std';
import type { ProxyEvent, Upstream } from '../types.ts';
import type { AccountClient, SeenLimit, UpstreamAccount, UpstreamOptions } from './types.ts';
import { createUpstream } from './upstream.ts';

export const HOST = 'registry.test';
export const REPOSITORY = parseRepository('library/redis');
export const TAG = parseTag('7');
export const CALL: Call = { principal: { kind: 'key', name: 'node' }, requestId: 'r-1', purpose: 'pull' };
export const LAYER = new TextEncoder().encode('a layer of some bytes');
export const LAYER_DIGEST = digestOf(LAYER);

/** A client of a registry with one image, which does as a test says. */
export type FakeClient = AccountClient & {
  /** `operation repository`. */
  readonly log: string[];
  /** Answers what the next question fails with, or waits. */
  before: (operation: string) => unknown | Promise<unknown>;
  /** What the registry tells of its limit with each manifest. */
  limit: Omit<SeenLimit, 'seenAtMs'> | undefined;
  /** Bodies that were handed over and let go of, with the reason. */
  readonly ended: unknown[];
};

export async function fakeClient(clock: Clock): Promise<FakeClient> {
  const registry = memory();
  const config = new TextEncoder().encode('{}');
  const layer = { mediaType: MediaType.ociLayer, digest: LAYER_DIGEST, size: LAYER.byteLength };
  await registry.putBlob(REPOSITORY, { digest: LAYER_DIGEST }, LAYER, CALL);
  await registry.putBlob(REPOSITORY, { digest: digestOf(config) }, config, CALL);
  const manifest = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: { mediaType: MediaType.ociConfig, digest: digestOf(config), size: config.byteLength },
    layers: [layer],
  };
  const bytes = new TextEncoder().encode(JSON.stringify(manifest));
  await registry.putManifest(REPOSITORY, bytes, { mediaType: MediaType.ociManifest, tags: [TAG] }, CALL);

  let rateLimit: SeenLimit | undefined;
  const asked = async (operation: string, repository: string) => {
    fake.log.push(`${operation} ${repository}`);
    const failure = await fake.before(operation);
    if (failure !== undefined) throw failure;
    if (fake.limit && operation.endsWith('Manifest')) rateLimit = { ...fake.limit, seenAtMs: clock.now() };
  };
  const fake: FakeClient = {
    log: [],
    ended: [],
    before: () => undefined,
    limit: undefined,
    state: () => (rateLimit ? { rateLimit } : {}),
    async resolveManifest(...question) {
      await asked('resolveManifest', question[0]);
      return registry.resolveManifest(...question);
    },
    async resolveBlob(...question) {
      await asked('resolveBlob', question[0]);
      return registry.resolveBlob(...question);
    },
    async getManifest(...question) {
      await asked('getManifest', question[0]);
      return registry.getManifest(...question);
    },
    async getBlob(...question) {
      await asked('getBlob', question[0]);
      const body = streamOf(LAYER);
      const handOver = () => ({ body, end: (reason?: unknown) => void fake.ended.push(reason) });
      return { value: { kind: 'stream', descriptor: layer, body, handOver }, served: { by: HOST, warnings: [] } };
    },
    async repositories(...question) {
      await asked('repositories', '');
      return registry.repositories(...question);
    },
    async tags(...question) {
      await asked('tags', question[0]);
      return registry.tags(...question);
    },
    async referrers(...question) {
      await asked('referrers', question[0]);
      return registry.referrers(...question);
    },
  };
  return fake;
}

export type Bench = {
  readonly upstream: Upstream;
  readonly clock: ReturnType<typeof manualClock>;
  readonly client: FakeClient;
  readonly clients: readonly FakeClient[];
  readonly events: ProxyEvent[];
};

/** An upstream with one account, or those named. */
export async function benchOf(
  options: Partial<UpstreamOptions> & { names?: readonly string[]; serves?: UpstreamAccount['serves'][] } = {},
): Promise<Bench> {
  const { names = ['joe'], serves = [], ...given } = options;
  const clock = manualClock();
  const events: ProxyEvent[] = [];
  const clients = await Promise.all(names.map(() => fakeClient(clock)));
  const accounts = clients.map((client, index): UpstreamAccount => {
    const only = serves[index];
    return { name: names[index] ?? '', client, ...(only ? { serves: only } : {}) };
  });
  const upstream = createUpstream({
    host: HOST,
    accounts,
    clock,
    random: () => 0.5,
    log: silentLog(),
    observe: (event) => events.push(event),
    ...given,
  });
  const [client] = clients;
  if (!client) throw new Error('an upstream without accounts');
  return { upstream, clock, client, clients, events };
}

/** A failure that the registry itself gave. */
export function upstreamError(code: RegistryError['code'], options: RegistryErrorOptions = {}): RegistryError {
  return new RegistryError(code, `${HOST} answered ${code}`, {
    origin: 'upstream',
    upstream: { registry: HOST },
    ...options,
  });
}

/** What a promise was rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<RegistryError> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (reason) => reason,
  );
  if (thrown instanceof RegistryError) return thrown;
  throw new Error(`no RegistryError, but ${String(thrown)}`);
}
