import { RegistryError } from '#core/oci';
import type { Connection, Distribution } from './distribution/distribution.ts';
import type { HostGuard } from './host-guard.ts';
import { partsOf } from './url.ts';

/** Answers requests, or leaves a path to the next. */
export type Surface = (request: Request) => Response | undefined | Promise<Response | undefined>;

export type SiteOptions = {
  readonly distribution: Distribution;
  readonly health: Surface;
  /** `/api/v1` and, later, the console. */
  readonly api?: Surface;
  /** Only where everybody who reaches the server may do everything. */
  readonly hostGuard?: HostGuard;
};

export type SiteFetch = (request: Request, connection: Connection) => Response | Promise<Response>;

/** Everything that one listener serves. */
export function createSite({ distribution, health, api, hostGuard }: SiteOptions): SiteFetch {
  return (request, connection) => {
    const parts = partsOf(request.url);
    const refusal = hostGuard?.(request, parts.authority);
    if (refusal) return distribution.refuse(refusal, request, connection);
    const { path } = parts;
    if (path === '/v2' || path.startsWith('/v2/')) return distribution.fetch(request, connection, parts);
    // A command's progress may be silent for longer than a connection may be idle.
    if (path.startsWith('/api/')) connection.timeout(request, 0);
    return elsewhere(request, [health, ...(api ? [api] : [])]).then(
      (response) => response ?? distribution.refuse(nothingAt(path), request, connection),
    );
  };
}

async function elsewhere(request: Request, surfaces: readonly Surface[]): Promise<Response | undefined> {
  for (const surface of surfaces) {
    const response = await surface(request);
    if (response) return response;
  }
  return undefined;
}

function nothingAt(path: string): RegistryError {
  return new RegistryError('NOT_FOUND', `there is nothing at ${path.slice(0, 120)}`, {
    hint: 'the registry is at /v2/, its health at /healthz and /readyz, its figures at /metrics',
  });
}
