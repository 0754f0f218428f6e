import type { ServerMetrics } from './metrics.ts';
import { partsOf } from './url.ts';

export type Readiness = { readonly ready: true } | { readonly ready: false; readonly why: string };

export type HealthOptions = {
  /** Whether requests can be served: storage writable, not shutting down. */
  readonly readiness: () => Readiness | Promise<Readiness>;
  readonly metrics: ServerMetrics;
  readonly version: string;
};

/** `/healthz` (the process lives), `/readyz` (it can serve), `/metrics`; undefined for every other path. */
export function createHealth({ readiness, metrics, version }: HealthOptions) {
  return async (request: Request): Promise<Response | undefined> => {
    switch (partsOf(request.url).path) {
      case '/healthz':
        return Response.json({ status: 'ok', version });
      case '/readyz': {
        const state = await readiness();
        return Response.json(state, { status: state.ready ? 200 : 503 });
      }
      case '/metrics':
        return new Response(await metrics.text(), { headers: { 'content-type': metrics.contentType } });
      default:
        return undefined;
    }
  };
}
