export { createFlights, type FlightsOptions } from './flight/flights.ts';
export { DEFAULT_FLIGHT_LIMITS, type FlightLimits } from './flight/limits.ts';
export type { CachedOptions, Proxy, Warmed, WarmOptions, WarmProgress } from './proxy.ts';
export type { Counts, ProxyState } from './state.ts';
export * from './types.ts';
export { memoryUpstreams } from './upstream/memory.ts';
export { type SqlUpstreamMemoryOptions, sqlUpstreamMemory } from './upstream/sql-memory.ts';
export type * from './upstream/types.ts';
export { createUpstream } from './upstream/upstream.ts';
