export type { CachedOptions, Proxy, Warmed, WarmOptions, WarmProgress } from './proxy.ts';
export type { Counts, ProxyState } from './state.ts';
export * from './types.ts';
