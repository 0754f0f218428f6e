import type { RememberedUpstream, UpstreamMemory } from './types.ts';

/** What is known of upstreams, for as long as the process lives. */
export function memoryUpstreams(): UpstreamMemory {
  const known = new Map<string, RememberedUpstream>();
  return {
    load: async (host) => known.get(host),
    save: (host, remembered) => void known.set(host, remembered),
    close: async () => {},
  };
}
