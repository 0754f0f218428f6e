import { RegistryError } from '#core/oci';
import { messageOf } from '#core/std';
import type { Upstream, UpstreamState } from '../types.ts';
import { createAccounts } from './accounts.ts';
import { BREAKER_RULES } from './breaker.ts';
import { createBreakerGate } from './breaker-gate.ts';
import { createPace } from './pace.ts';
import { createPool, UPSTREAM_LIMITS } from './pool.ts';
import { createReader } from './reader.ts';
import type { Reserve, UpstreamOptions } from './types.ts';

/** A registry elsewhere behind its breaker, quotas and limits. One for each host; all namespaces that read it share it. */
export function createUpstream(options: UpstreamOptions): Upstream {
  const { host, clock, random, memory } = options;
  const limits = { ...UPSTREAM_LIMITS, ...options.limits };
  const reserve: Reserve = { pulls: 0, ...options.reserve };
  const now = () => clock.now();
  const observe = options.observe ?? (() => {});
  const counts = { bytes: 0, pulls: 0, calls: 0 };
  const save = () => memory?.save(host, { breaker: gate.state(), quotas: accounts.quotas() });

  const gate = createBreakerGate({
    host,
    rules: { ...BREAKER_RULES, ...options.breaker },
    now,
    random,
    onChange: (breaker) => {
      observe({ kind: 'breaker', host, breaker });
      save();
    },
  });
  const accounts = createAccounts({
    host,
    accounts: options.accounts,
    reserve,
    now,
    random,
    onChange: (quota) => {
      observe({ kind: 'quota', host, quota });
      save();
    },
  });
  const pool = createPool(host, limits);
  const ending = new AbortController();
  const pace = limits.bytesPerSecond === undefined ? undefined : createPace(limits.bytesPerSecond, clock);
  const restore = async () => {
    const remembered = await memory?.load(host);
    if (remembered === undefined) return;
    gate.restore(remembered.breaker);
    accounts.restore(remembered.quotas);
  };
  // Without it we only know less: pulls go on.
  const ready = restore().catch((thrown: unknown) => {
    options.log.warn('what was known of an upstream could not be read', { host, why: messageOf(thrown) });
  });

  return {
    host,
    reader: createReader({ host, clock, accounts, gate, pool, pace, ready, ending: ending.signal, observe, counts }),
    state: (): UpstreamState => ({
      host,
      breaker: gate.state(),
      quotas: accounts.quotas(),
      accounts: options.accounts.length,
      reservePulls: reserve.pulls,
      requests: requestsOf(options) ?? counts.calls,
      bytes: counts.bytes,
      pulls: counts.pulls,
      active: pool.active,
      waiting: pool.waiting,
    }),
    async close() {
      ending.abort(new RegistryError('UNAVAILABLE', `${host} is asked no more: this server is stopping`));
      await ready;
      pool.close();
    },
  };
}

/** HTTP requests, where all clients count them. */
function requestsOf({ accounts }: UpstreamOptions): number | undefined {
  const counts = accounts.map(({ client }) => client.state().requests);
  return counts.reduce((sum, count) => (sum === undefined || count === undefined ? undefined : sum + count), 0);
}
