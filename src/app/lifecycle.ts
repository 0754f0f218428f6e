import { chmod, readFile, rm } from 'node:fs/promises';
import { AppError, messageOf } from '#core/std';
import { type Config, tryParseListen } from '#surface/config';
import {
  type Access,
  type AccessSink,
  createDistribution,
  createHealth,
  createHostGuard,
  createNames,
  createProxyMetrics,
  createServerMetrics,
  createSite,
  createStaticAccess,
  type GaugeSource,
  type Readiness,
  type RunningServer,
  reloadTlsOnChange,
  type ServerMetrics,
  startServer,
} from '#surface/server';
import { createApi, type Operations } from '#surface/server/api';
import type { App } from './compose.ts';
import { nameTable } from './names.ts';
import { proxyLog } from './proxy-log.ts';
import { createReadiness } from './readiness.ts';
import { MOST_SOCKET_PATH_BYTES, socketAddress, socketPath } from './socket.ts';

export type StartOptions = {
  readonly operations: Operations;
  readonly accessLog: AccessSink;
  /** Ports to try above the configured one when it is taken. */
  readonly tryNext?: number;
};

export type Serving = {
  /** As this machine reaches it. */
  readonly url: string;
  readonly port: number;
  /** Lets transfers end for a while; a second call cuts them. */
  stop(options?: { readonly graceMs?: number }): Promise<void>;
};

/** Sessions nobody came back to are looked for so often. */
const EXPIRE_EVERY_MS = 3_600_000;

/** Serves an app on its address, and its API on the socket of its data folder. Throws ADDRESS_IN_USE and others. */
export async function startServing(app: App, options: StartOptions): Promise<Serving> {
  const stopping = new AbortController();
  const isReady = createReadiness({
    folder: app.config.storage.path,
    registry: app.registry,
    database: app.database,
    clock: app.machine.clock,
  });
  const readiness = async (): Promise<Readiness> =>
    stopping.signal.aborted ? { ready: false, why: 'the server is stopping' } : await isReady();
  const metrics = createFigures(app);
  const table = nameTable(app);
  const hasOtherNames = app.proxies.byName.size > 0 || Object.keys(table.byHost).length > 0;
  const health = createHealth({ readiness, metrics, version: app.machine.version });
  const distributionFor = (access: Access) =>
    createDistribution({
      registry: app.registry,
      access,
      ...(hasOtherNames ? { names: createNames(table) } : {}),
      log: app.machine.log,
      accessLog: options.accessLog,
      metrics,
      clock: app.machine.clock,
      timer: () => performance.now(),
      random: Math.random,
    });
  const guard = app.config.access
    ? {}
    : { hostGuard: createHostGuard(publicHost(app.config), Object.keys(table.byHost)) };
  const site = createSite({ distribution: distributionFor(accessOf(app.config)), health, ...guard });
  const server = await listen(app, { fetch: site, tryNext: options.tryNext ?? 0, signal: stopping.signal });
  const api = await createApi({ operations: options.operations, log: app.machine.log, version: app.machine.version });
  const inside = createSite({ distribution: distributionFor(SYSTEM_ACCESS), health, api: api.fetch });
  const socket = await listenOnSocket(app, inside).catch(async (thrown: unknown) => {
    stopping.abort();
    await server.stop({ graceMs: 0 });
    throw thrown;
  });
  void expireUploads(app, stopping.signal);
  return {
    url: app.config.server.url ?? server.url,
    port: server.port,
    async stop(stopOptions) {
      stopping.abort();
      const { cut } = await server.stop(stopOptions);
      if (cut > 0) app.machine.log.warn('stopped before every transfer had ended', { cut });
      await socket?.stop({ graceMs: 0 });
      await rm(socketPath(app.config), { force: true });
      await app.close();
    },
  };
}

/** Figures of the server, of what it keeps, and of what it reads elsewhere. */
function createFigures(app: App): ServerMetrics {
  const proxyMetrics = createProxyMetrics({
    upstreams: () => app.proxies.upstreams.map((upstream) => upstream.state()),
    flights: () => app.proxies.flights?.list() ?? [],
  });
  app.proxies.listen(proxyMetrics.observe);
  app.proxies.listen(proxyLog(app.machine.log));
  return createServerMetrics(usageGauges(app), proxyMetrics.register);
}

/** Whoever may open the socket owns the folder. */
const SYSTEM_ACCESS: Access = {
  identify: () => ({ kind: 'system', name: 'socket' }),
  authorize: () => true,
};

function accessOf({ access }: Config): Access {
  return createStaticAccess({ anonymous: access ? access.anonymous : 'loopback-default' });
}

function publicHost({ server }: Config): string | undefined {
  return server.url === undefined ? undefined : new URL(server.url).host;
}

type Listening = {
  readonly fetch: Parameters<typeof startServer>[0]['fetch'];
  readonly tryNext: number;
  readonly signal: AbortSignal;
};

async function listen({ config, machine }: App, { fetch, tryNext, signal }: Listening): Promise<RunningServer> {
  const { clock, log } = machine;
  const address = tryParseListen(config.server.listen);
  if (!address) throw new RangeError(`${config.server.listen} is no address`);
  const common = { listen: { ...address, tryNext }, fetch, clock, log };
  const { tls } = config.server;
  if (!tls) return startServer(common);
  const read = async () => ({ cert: await readTls(tls.cert), key: await readTls(tls.key) });
  const current = await read();
  const server = startServer({ ...common, tls: current });
  void reloadTlsOnChange({ read, current, apply: server.reloadTls, clock, log, signal });
  return server;
}

function readTls(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: unknown) => {
    throw new AppError('TLS_INVALID', `cannot read ${path}`, {
      why: messageOf(cause),
      hint: 'see server.tls in entrepot.yaml',
    });
  });
}

async function listenOnSocket({ config, machine }: App, fetch: Listening['fetch']): Promise<RunningServer | undefined> {
  const { clock, log } = machine;
  const unix = socketAddress(config);
  if (unix === undefined) {
    log.warn('commands cannot reach this server: the path of storage is too long for a socket', {
      path: socketPath(config),
      mostBytes: MOST_SOCKET_PATH_BYTES,
    });
    return undefined;
  }
  // The lock is ours, so a socket that is there was left by a process that is gone.
  await rm(unix, { force: true });
  await chmod(config.storage.path, 0o700);
  const server = startServer({ listen: { unix }, fetch, clock, log });
  await chmod(unix, 0o600);
  return server;
}

async function expireUploads({ store, machine }: App, signal: AbortSignal): Promise<void> {
  const { clock, log } = machine;
  while (!signal.aborted) {
    try {
      await clock.sleep(EXPIRE_EVERY_MS, signal);
      const dropped = await store.expireUploads();
      if (dropped > 0) log.info('unfinished uploads dropped', { uploads: dropped });
    } catch (thrown) {
      if (signal.aborted) return;
      log.error('unfinished uploads could not be dropped', { error: messageOf(thrown) });
    }
  }
}

/** Scrapes come every few seconds; counting walks the catalog. */
const USAGE_KEPT_MS = 60_000;

function usageGauges({ store, machine }: App): GaugeSource[] {
  let kept: { readonly atMs: number; readonly usage: ReturnType<App['store']['usage']> } | undefined;
  const usage = () => {
    const nowMs = machine.clock.now();
    if (!kept || nowMs - kept.atMs > USAGE_KEPT_MS) kept = { atMs: nowMs, usage: store.usage() };
    return kept.usage;
  };
  return [
    { name: 'entrepot_store_repositories', help: 'Repositories kept.', read: async () => (await usage()).repositories },
    { name: 'entrepot_store_manifests', help: 'Manifests kept.', read: async () => (await usage()).manifests },
    { name: 'entrepot_store_tags', help: 'Tags kept.', read: async () => (await usage()).tags },
    { name: 'entrepot_store_blobs', help: 'Blobs kept, each counted once.', read: async () => (await usage()).blobs },
    { name: 'entrepot_store_bytes', help: 'Bytes of blobs kept.', read: async () => (await usage()).blobBytes },
    { name: 'entrepot_store_uploads', help: 'Uploads under way.', read: async () => (await usage()).uploads },
  ];
}
