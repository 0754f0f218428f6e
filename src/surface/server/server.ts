import { AppError, type Clock, type Log, messageOf, systemCodeOf } from '#core/std';
import { asRegistryError, toResponse } from './distribution/error.ts';
import type { SiteFetch } from './site.ts';

export type TlsPair = { readonly cert: string; readonly key: string };

export type ListenAddress =
  | {
      readonly hostname: string;
      readonly port: number /** How many ports above to try when it is taken. */;
      readonly tryNext?: number;
    }
  /** A socket in the file system. */
  | { readonly unix: string };

export type ServerOptions = {
  readonly listen: ListenAddress;
  readonly fetch: SiteFetch;
  readonly clock: Clock;
  readonly log: Log;
  readonly tls?: TlsPair;
  /** Seconds without a byte after which a connection is closed. */
  readonly idleTimeoutSeconds?: number;
};

export type RunningServer = {
  /** Where it is reached from this machine; `unix:` and the path for a socket. */
  readonly url: string;
  readonly port: number;
  /** Takes another certificate without losing a connection. Throws TLS_INVALID and stays with the one it has. */
  reloadTls(tls: TlsPair): void;
  /** Takes no more connections, lets transfers end for `graceMs`, then cuts them. Tells how many were cut. */
  stop(options?: { readonly graceMs?: number }): Promise<{ readonly cut: number }>;
};

/** Longer than any upload's commit or upstream's answer takes; keep-alive connections end after it. Bun takes up to 255. */
const IDLE_TIMEOUT_SECONDS = 240;
/** A transfer of a large layer over a usual link ends within it; Kubernetes waits 30 s by default. */
const STOP_GRACE_MS = 25_000;

type BunServer = ReturnType<typeof Bun.serve>;

/** Serves until stopped. Throws ADDRESS_IN_USE, ADDRESS_REFUSED, TLS_INVALID. */
export function startServer(options: ServerOptions): RunningServer {
  let server = listen(options, options.listen, options.tls);
  /** Listeners before a reload, with transfers that still go on. */
  const retired = new Set<BunServer>();
  const port = server.port ?? 0;
  return {
    url: urlOf(options, port),
    port,
    reloadTls(tls) {
      if ('unix' in options.listen) return;
      const old = server;
      retired.add(old);
      // Bun accepts `server.reload({ tls })` and ignores it: a second listener on the port takes over from the first.
      server = bind(options, { hostname: options.listen.hostname, port, reusePort: true }, tls);
      void old.stop(false).then(() => retired.delete(old));
    },
    stop: (stopping = {}) => stop([server, ...retired], options.clock, stopping.graceMs ?? STOP_GRACE_MS),
  };
}

async function stop(servers: readonly BunServer[], clock: Clock, graceMs: number): Promise<{ cut: number }> {
  const patience = new AbortController();
  const ended = Promise.all(servers.map((server) => server.stop(false))).then(() => 'ended' as const);
  const late = clock.sleep(graceMs, patience.signal).then(
    () => 'late' as const,
    () => 'ended' as const,
  );
  const outcome = await Promise.race([ended, late]);
  patience.abort();
  if (outcome === 'ended') return { cut: 0 };
  const cut = servers.reduce((sum, server) => sum + server.pendingRequests, 0);
  await Promise.all(servers.map((server) => server.stop(true)));
  return { cut };
}

function listen(options: ServerOptions, address: ListenAddress, tls: TlsPair | undefined): BunServer {
  if ('unix' in address) return bind(options, address, tls);
  const { hostname, port, tryNext = 0 } = address;
  for (let offset = 0; ; offset += 1) {
    try {
      return listenOn(options, { hostname, port: port + offset }, tls);
    } catch (thrown) {
      const isTaken = thrown instanceof AppError && thrown.code === 'ADDRESS_IN_USE';
      if (!isTaken || offset >= tryNext || port + offset >= 65535) throw thrown;
    }
  }
}

function listenOn(options: ServerOptions, at: { hostname: string; port: number }, tls: TlsPair | undefined): BunServer {
  if (!tls) return bind(options, at, undefined);
  // A port shared for reloads would be shared with a stranger's server too: ask first whether it is free.
  const probe = bind(options, at, undefined);
  const port = probe.port ?? at.port;
  void probe.stop(true);
  return bind(options, { hostname: at.hostname, port, reusePort: true }, tls);
}

type Binding =
  | { readonly hostname: string; readonly port: number; readonly reusePort?: boolean }
  | { readonly unix: string };

function bind(options: ServerOptions, at: Binding, tls: TlsPair | undefined): BunServer {
  try {
    const common = {
      ...(tls ? { tls: { cert: tls.cert, key: tls.key } } : {}),
      fetch: (request: Request, server: BunServer) => options.fetch(request, server),
      error: (thrown: Error) => unforeseen(thrown, options.log),
      development: false as const,
      // Layers have no bound of Bun's: `limits.blobBytes` and the manifest's bound are ours.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    };
    if ('unix' in at) return Bun.serve({ ...common, unix: at.unix });
    const idleTimeout = options.idleTimeoutSeconds ?? IDLE_TIMEOUT_SECONDS;
    return Bun.serve({
      ...common,
      idleTimeout,
      hostname: at.hostname,
      port: at.port,
      reusePort: at.reusePort ?? false,
    });
  } catch (thrown) {
    throw cannotListen(thrown, at, tls);
  }
}

function cannotListen(thrown: unknown, at: Binding, tls: TlsPair | undefined): AppError {
  const place = 'unix' in at ? at.unix : `${at.hostname}:${at.port}`;
  const why = messageOf(thrown);
  switch (systemCodeOf(thrown)) {
    case 'EADDRINUSE':
      return new AppError('ADDRESS_IN_USE', `cannot listen on ${place}`, {
        why: 'another program listens there',
        hint: 'end that program, or set server.listen (or --listen) to another port',
        cause: thrown,
      });
    case 'EACCES':
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new AppError('ADDRESS_REFUSED', `cannot listen on ${place}`, {
        why,
        hint: 'set server.listen to an address of this machine, and a port above 1023 unless you are root',
        cause: thrown,
      });
    default:
      if (!tls) return new AppError('ADDRESS_REFUSED', `cannot listen on ${place}`, { why, cause: thrown });
      return new AppError('TLS_INVALID', 'the TLS certificate and key cannot be used', {
        why,
        hint: 'check that server.tls names a PEM certificate and the key that belongs to it',
        cause: thrown,
      });
  }
}

/** What escaped every handler, such as a file that vanished between opening and sending. */
function unforeseen(thrown: unknown, log: Log): Response {
  log.error('request failed outside its handler', { error: messageOf(thrown) });
  return toResponse(asRegistryError(thrown, ''), '');
}

function urlOf({ listen: address, tls }: ServerOptions, port: number): string {
  if ('unix' in address) return `unix:${address.unix}`;
  const { hostname } = address;
  const anywhere = hostname === '0.0.0.0' || hostname === '::' || hostname === '[::]';
  const bare = anywhere ? 'localhost' : hostname;
  const host = bare.includes(':') && !bare.startsWith('[') ? `[${bare}]` : bare;
  return `${tls ? 'https' : 'http'}://${host}:${port}`;
}
