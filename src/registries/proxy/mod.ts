export { cached } from './cached.ts';
export { createFlights, type FlightsOptions } from './flight/flights.ts';
export { DEFAULT_FLIGHT_LIMITS, type FlightLimits } from './flight/limits.ts';
export { memoryProxyState } from './memory-state.ts';
export type { CachedOptions, ProxyCare, ProxyRegistry as Proxy, Warmed, WarmOptions, WarmProgress } from './proxy.ts';
export { sqlProxyState } from './sql-state.ts';
export type { CounterNotes, Counts, ListNotes, ProxyState, ReferenceNotes } from './state.ts';
export * from './types.ts';
export { memoryUpstreams } from './upstream/memory.ts';
export {
  type ProbeOptions,
  type ProbeRung,
  type ProbeStep,
  type ProbeTools,
  probeUpstream,
  type TlsFact,
} from './upstream/probe.ts';
export { type SqlUpstreamMemoryOptions, sqlUpstreamMemory } from './upstream/sql-memory.ts';
export type * from './upstream/types.ts';
export { createUpstream } from './upstream/upstream.ts';
