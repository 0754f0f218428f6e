export {
  ACTIONS,
  type Access,
  type AccessRule,
  type Action,
  createStaticAccess,
  type StaticAccessOptions,
} from './access.ts';
export { type AccessEvent, type AccessSink, accessLine } from './access-log.ts';
export {
  type Connection,
  createDistribution,
  type Distribution,
  type DistributionOptions,
} from './distribution/distribution.ts';
export { createNames, type NameRule, type NameTable, type ResolveName } from './distribution/name.ts';
export { createHealth, type HealthOptions, type Readiness } from './health.ts';
export { createHostGuard, type HostGuard } from './host-guard.ts';
export { DEFAULT_LIMITS, type ServerLimits } from './limits.ts';
export { createServerMetrics, type GaugeSource, type ServerMetrics } from './metrics.ts';
export { createProxyMetrics, type ProxyMetrics, type ProxyMetricsOptions } from './proxy-metrics.ts';
export { type ListenAddress, type RunningServer, type ServerOptions, startServer, type TlsPair } from './server.ts';
export { createSite, type SiteFetch, type SiteOptions, type Surface } from './site.ts';
export { reloadTlsOnChange, type TlsReloadOptions } from './tls-reload.ts';
