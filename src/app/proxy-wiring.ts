import type { RepositoryName } from '#core/oci';
import {
  cached,
  createFlights,
  createUpstream,
  type ProxyEvent,
  sqlProxyState,
  sqlUpstreamMemory,
  type Upstream,
} from '#registries/proxy';
import { defaultLimits, listOf, type RegistryLimits, upstreamPlace } from '#surface/config';
import { type Proxies, type ProxiesOptions, proxyEntries } from './proxies.ts';
import { pinnedBy, proxyRules } from './proxy-rules.ts';
import { bytesOf } from './size.ts';

/** Wires every proxy namespace: its rules, over upstreams, downloads and a memory that all share. */
export async function wireProxies(options: ProxiesOptions): Promise<Proxies> {
  const { config, machine, store, database } = options;
  const { clock, log } = machine;
  const listeners = new Set<(event: ProxyEvent) => void>();
  const observe = (event: ProxyEvent) => {
    for (const listener of listeners) listener(event);
  };
  const shared = { clock, log, random: Math.random, observe };
  const memory = sqlUpstreamMemory({ database, clock, log });
  const loading: Promise<unknown>[] = [];
  const load = async (host: string) => {
    const loaded = memory.load(host);
    loading.push(loaded);
    return await loaded;
  };
  const state = sqlProxyState(database, clock, { log });
  const flights = createFlights({ ...shared, parts: store.cache.parts, link: store.cache.linkBlob });
  const upstreams = new Map<string, Upstream>();
  const entries = proxyEntries(config);
  for (const host of new Set(entries.flatMap(([, entry]) => listOf(entry.upstream).map(hostOf)))) {
    const accounts = await options.clients.accounts(host);
    const limits = config.registries[host]?.limits ?? defaultLimits();
    upstreams.set(
      host,
      createUpstream({ ...shared, host, accounts, memory: { ...memory, load }, ...upstreamLimits(limits) }),
    );
  }
  // A command that only shows quotas must not look before they are known. An upstream itself tells of a failure.
  await Promise.allSettled(loading);
  const byName = new Map(
    entries.map(([name, entry]) => {
      const members = listOf(entry.upstream).map((text) => memberOf(text, upstreams));
      const namespace = name as RepositoryName;
      const proxy = cached({
        ...shared,
        namespace,
        store,
        flights,
        state,
        upstreams: members,
        sharesWith: namespacesOf(firstHostOf(entry), entries),
        rules: proxyRules(entry),
      });
      listeners.add(proxy.hear);
      if (entry.maxBytes !== undefined) proxy.keepWithin(bytesOf(entry.maxBytes), pinnedBy(name, entry));
      return [name, proxy] as const;
    }),
  );
  return {
    byName,
    upstreams: [...upstreams.values()],
    flights,
    listen: (listener) => void listeners.add(listener),
    async close() {
      await flights.close();
      // What is asked in the background is told so, and proxies wait for no silence.
      for (const upstream of upstreams.values()) await upstream.close();
      for (const proxy of byName.values()) await proxy.close();
      await state.close();
      await memory.close();
    },
  };
}

const hostOf = (text: string) => upstreamPlace(text).host;

type Entries = ReturnType<typeof proxyEntries>;

function firstHostOf({ upstream }: Entries[number][1]): string {
  return hostOf(listOf(upstream)[0] ?? '');
}

/** Namespaces that read one upstream need not download what one of them has. */
function namespacesOf(host: string, entries: Entries): RepositoryName[] {
  return entries.filter(([, entry]) => firstHostOf(entry) === host).map(([name]) => name as RepositoryName);
}

function memberOf(text: string, upstreams: ReadonlyMap<string, Upstream>) {
  const { host, prefix } = upstreamPlace(text);
  const upstream = upstreams.get(host);
  if (!upstream) throw new RangeError(`no upstream was made for ${host}`);
  return { upstream, prefix };
}

function upstreamLimits({ connections, bytesPerSecond, reserve }: RegistryLimits) {
  const pace = bytesPerSecond === undefined ? {} : { bytesPerSecond: bytesOf(bytesPerSecond) };
  return { limits: { connections, ...pace }, reserve: { pulls: reserve } };
}
