import { memory, type Registry } from '#core/registry';
import { silentLog, systemClock } from '#core/std';
import {
  createDistribution,
  createHealth,
  createHostGuard,
  createServerMetrics,
  createSite,
  createStaticAccess,
  type RunningServer,
  startServer,
} from '#surface/server';

/** The server over a registry, as the program wires it, on a loopback port. */
export function serveRegistry(registry: Registry = memory()): RunningServer & { readonly host: string } {
  const clock = systemClock();
  const log = silentLog();
  const metrics = createServerMetrics();
  const distribution = createDistribution({
    registry,
    access: createStaticAccess({ anonymous: 'loopback-default' }),
    log,
    accessLog: () => {},
    metrics,
    clock,
    timer: performance.now.bind(performance),
    random: Math.random,
  });
  const health = createHealth({ readiness: () => ({ ready: true }), metrics, version: 'test' });
  const site = createSite({ distribution, health, hostGuard: createHostGuard() });
  const server = startServer({ listen: { hostname: '127.0.0.1', port: 0 }, fetch: site, clock, log });
  return { ...server, host: `127.0.0.1:${server.port}` };
}
