import type { Descriptor, RepositoryName, TagName } from '#core/oci';
import { descriptorToJson, digestOf, MediaType } from '#core/oci';
import { type Call, type MemoryOptions, memory, type Registry } from '#core/registry';
import { silentLog, systemClock } from '#core/std';
import { createClient } from '#registries/client';
import { type AccessEvent, createDistribution, createServerMetrics, createStaticAccess } from '#surface/server';

export const CALL: Call = { principal: { kind: 'system', name: 'test' }, requestId: 'test', purpose: 'mirror' };

/** A registry behind real HTTP on loopback. Each client is a new one, as in a new process; every request is noted. */
export type Loopback = {
  readonly inner: Registry;
  readonly host: string;
  client(): Registry;
  /** `KIND status` of each request since the last call. */
  take(): string[];
  /** Bytes of blobs given out since the beginning. */
  blobBytesOut(): number;
  stop(): Promise<void>;
};

export type LoopbackOptions = MemoryOptions & {
  readonly inner?: Registry;
  /** False: answers as a registry that does not know the referrers API. */
  readonly referrers?: boolean;
  /** Stands between the wire and the registry: answers by itself, or asks for the true answer. */
  readonly tamper?: (request: Request, answer: () => Promise<Response>) => Promise<Response>;
};

export function startLoopback(options: LoopbackOptions = {}): Loopback {
  const inner = options.inner ?? memory(options);
  const events: AccessEvent[] = [];
  let taken = 0;
  const distribution = createDistribution({
    registry: inner,
    access: createStaticAccess({ anonymous: 'loopback-default' }),
    log: silentLog(),
    accessLog: (event) => {
      if (!event.cut) events.push(event);
    },
    metrics: createServerMetrics(),
    clock: systemClock(),
    timer: () => performance.now(),
    random: Math.random,
  });
  const unknownApi: string[] = [];
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    development: false,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    fetch(request, connection) {
      if (options.referrers === false && request.url.includes('/referrers/')) {
        unknownApi.push('referrers 404');
        return new Response('404 page not found', { status: 404 });
      }
      const answer = () => distribution.fetch(request, connection);
      return options.tamper ? options.tamper(request, answer) : answer();
    },
  });
  const host = `127.0.0.1:${server.port}`;
  return {
    inner,
    host,
    client: () =>
      createClient({
        host,
        insecure: true,
        fetch: (url, init) => fetch(url, init),
        clock: systemClock(),
        random: Math.random,
        retry: { baseMs: 1, maxMs: 10 },
      }),
    take() {
      const fresh = events.slice(taken).map(({ kind, status }) => `${kind} ${status}`);
      taken = events.length;
      return [...fresh, ...unknownApi.splice(0)].toSorted();
    },
    blobBytesOut: () => events.reduce((sum, event) => sum + (event.kind === 'blobGet' ? event.bytesOut : 0), 0),
    stop: () => server.stop(true),
  };
}

export type PushOptions = {
  readonly repository?: string;
  readonly tags?: readonly string[];
  readonly subject?: Descriptor;
  readonly artifactType?: string;
};

/** Pushes an image of the given layers. */
export async function pushImage(
  registry: Registry,
  layers: readonly (string | Uint8Array<ArrayBuffer>)[],
  { repository = 'vendor/app', tags = [], subject, artifactType }: PushOptions = {},
): Promise<Descriptor> {
  const name = repository as RepositoryName;
  const put = async (content: string | Uint8Array<ArrayBuffer>, mediaType: string) => {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    const digest = digestOf(bytes);
    await registry.putBlob(name, { digest, size: bytes.byteLength }, bytes, CALL);
    return { mediaType, digest, size: bytes.byteLength };
  };
  const config = await put(`config of ${layers.map((layer) => digestOf(layer)).join()}`, MediaType.ociConfig);
  const descriptors = [];
  for (const layer of layers) descriptors.push(await put(layer, MediaType.ociLayer));
  const json = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    ...(artifactType === undefined ? {} : { artifactType }),
    config,
    layers: descriptors,
    ...(subject ? { subject: descriptorToJson(subject) } : {}),
  };
  return await pushJson(registry, json, { repository, tags });
}

/** Pushes an index of what was pushed. */
export async function pushIndex(
  registry: Registry,
  children: readonly Descriptor[],
  { repository = 'vendor/app', tags = [] }: PushOptions = {},
): Promise<Descriptor> {
  const json = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: children.map(descriptorToJson) };
  return await pushJson(registry, json, { repository, tags });
}

async function pushJson(
  registry: Registry,
  json: { readonly mediaType: string },
  { repository, tags }: { readonly repository: string; readonly tags: readonly string[] },
): Promise<Descriptor> {
  const bytes = new TextEncoder().encode(JSON.stringify(json));
  const { mediaType } = json;
  const options = { mediaType, digest: digestOf(bytes), tags: tags as TagName[] };
  await registry.putManifest(repository as RepositoryName, bytes, options, CALL);
  return { mediaType, digest: options.digest, size: bytes.byteLength };
}
