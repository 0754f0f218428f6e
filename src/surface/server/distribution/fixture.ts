import { type Digest, digestOf, MediaType } from '#core/oci';
import { memory, type Registry } from '#core/registry';
import { type Log, type LogFields, manualClock, silentLog } from '#core/std';
import { type Access, createStaticAccess } from '../access.ts';
import type { AccessEvent } from '../access-log.ts';
import type { ServerLimits } from '../limits.ts';
import { createServerMetrics, type ServerMetrics } from '../metrics.ts';
import { createDistribution, type Distribution } from './distribution.ts';
import type { ResolveName } from './name.ts';

/** A server over a registry in memory, with everything that it tells kept for a test to read. */
export type Fixture = {
  readonly distribution: Distribution;
  readonly registry: Registry;
  readonly metrics: ServerMetrics;
  readonly events: AccessEvent[];
  readonly errors: { readonly message: string; readonly fields: LogFields | undefined }[];
  /** `send('PUT', '/v2/…', { body, headers })`. */
  send(method: string, path: string, init?: Sent): Promise<Response>;
};

export type Sent = {
  readonly body?: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
};

export type FixtureOptions = {
  readonly registry?: Registry;
  readonly access?: Access;
  readonly limits?: Partial<ServerLimits>;
  readonly names?: ResolveName;
};

export function createFixture(options: FixtureOptions = {}): Fixture {
  const registry = options.registry ?? memory();
  const events: AccessEvent[] = [];
  const errors: Fixture['errors'] = [];
  const clock = manualClock();
  const log: Log = {
    ...silentLog(),
    warn: (message, fields) => errors.push({ message, fields }),
    error: (message, fields) => errors.push({ message, fields }),
  };
  const metrics = createServerMetrics();
  const distribution = createDistribution({
    registry,
    access: options.access ?? createStaticAccess({ anonymous: 'loopback-default' }),
    log,
    accessLog: (event) => events.push(event),
    metrics,
    // A paced body waits on the clock in the background: a clock that jumps would make every sender slow.
    clock: {
      now: clock.now,
      sleep: async (delayMs, signal) => (delayMs === 0 ? undefined : await untilAborted(signal)),
    },
    timer: clock.now,
    random: () => 0.5,
    ...(options.limits ? { limits: options.limits } : {}),
    ...(options.names ? { names: options.names } : {}),
  });
  return {
    distribution,
    registry,
    metrics,
    events,
    errors,
    send: (method, path, init) => distribution.fetch(new Request(`http://localhost${path}`, { method, ...init })),
  };
}

function untilAborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** The codes of an error's body. */
export async function codesOf(response: Response): Promise<string[]> {
  const body = (await response.json()) as { errors: { code: string }[] };
  return body.errors.map((error) => error.code);
}

export async function pushBlob({ send }: Fixture, repository: string, content: string | Uint8Array): Promise<Digest> {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  const digest = digestOf(bytes);
  const response = await send('POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`, {
    body: new Uint8Array(bytes),
  });
  if (response.status !== 201) throw new Error(`pushing a blob: ${response.status} ${await response.text()}`);
  return digest;
}

export type PushedManifest = { readonly digest: Digest; readonly text: string; readonly response: Response };

/** An image of one empty config; `more` goes into the manifest. */
export async function pushManifest(
  fixture: Fixture,
  target: { readonly repository: string; readonly reference?: string; readonly query?: string },
  more: Readonly<Record<string, unknown>> = {},
): Promise<PushedManifest> {
  const config = await pushBlob(fixture, target.repository, '{}');
  const text = JSON.stringify({
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: { mediaType: MediaType.ociEmpty, digest: config, size: 2 },
    layers: [],
    ...more,
  });
  const digest = digestOf(text);
  const path = `/v2/${target.repository}/manifests/${target.reference ?? digest}${target.query ?? ''}`;
  const response = await fixture.send('PUT', path, { body: text, headers: { 'content-type': MediaType.ociManifest } });
  return { digest, text, response };
}
