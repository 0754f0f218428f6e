import type { RepositoryName } from '#core/oci';
import type { Explanation, NamespaceCounters, Quota, UpstreamState, Verdict } from '#registries/proxy';
import { listOf, memberOf, type NamespaceConfig, upstreamPlace } from '#surface/config';
import type { CacheEntry, NamespaceDetail, NamespaceItem, QuotaItem, Status, UpstreamItem } from '#surface/server/api';
import type { App } from '../compose.ts';
import { proxyEntries } from '../proxies.ts';
import { bytesOf } from '../size.ts';

type Wired = Pick<App, 'config' | 'proxies' | 'store'>;

/** Upstreams as they stand, in the order of the file. */
export function upstreamItems({ config, proxies }: Wired): UpstreamItem[] {
  return proxies.upstreams.map((upstream) => upstreamItem(upstream.state(), readersOf(config, upstream.host)));
}

function readersOf(config: App['config'], host: string): string[] {
  return proxyEntries(config).flatMap(([name, { upstream }]) =>
    listOf(upstream).some((text) => upstreamPlace(text).host === host) ? [name] : [],
  );
}

function upstreamItem(state: UpstreamState, namespaces: string[]): UpstreamItem {
  const { host, breaker, reservePulls, requests, bytes, pulls, active, waiting } = state;
  return {
    host,
    namespaces,
    breaker: {
      state: breaker.state,
      failures: breaker.failures,
      ...time('since', breaker.sinceMs),
      ...time('probeAt', breaker.probeAtMs),
      ...(breaker.why === undefined ? {} : { why: breaker.why }),
    },
    quotas: state.quotas.map(quotaItem),
    ...{ reservePulls, requests, bytes, pulls, active, waiting },
  };
}

function quotaItem(quota: Quota): QuotaItem {
  const { account, limit, remaining, windowSeconds } = quota;
  const blockedUntilMs = Math.max(quota.blockedUntilMs ?? 0, quota.pullsBlockedUntilMs ?? 0);
  return {
    account,
    ...(limit === undefined ? {} : { limit }),
    ...(remaining === undefined ? {} : { remaining }),
    ...(windowSeconds === undefined ? {} : { windowSeconds }),
    ...time('resetAt', quota.resetAtMs),
    ...time('blockedUntil', blockedUntilMs),
    ...time('seenAt', quota.seenAtMs),
  };
}

/** A time where there is one: 0 stands for never. */
function time<K extends string>(key: K, ms: number | undefined): { [key in K]?: string } {
  const some: { [key in K]?: string } = {};
  if (ms !== undefined && ms > 0) some[key] = new Date(ms).toISOString();
  return some;
}

export function namespaceItems({ config }: Wired): NamespaceItem[] {
  return Object.entries(config.namespaces ?? {}).map(([name, entry]) => namespaceItem(name, entry));
}

function namespaceItem(name: string, entry: NamespaceConfig): NamespaceItem {
  return {
    name,
    type: entry.type,
    upstreams: entry.type === 'proxy' ? [...listOf(entry.upstream)] : [],
    members: entry.type === 'virtual' ? entry.members.map((member) => memberOf(member).namespace) : [],
    ...(entry.type === 'virtual' && entry.push !== undefined ? { push: entry.push } : {}),
    hosts: entry.hosts,
  };
}

/** Keys of a namespace that its other fields show already. */
const SHOWN: readonly string[] = ['type', 'hosts', 'upstream', 'members', 'push', 'maxBytes'];

export type Named = {
  readonly name: string;
  readonly entry: NamespaceConfig;
  readonly repositories: readonly string[];
};

export async function namespaceDetail(wired: Wired, { name, entry, repositories }: Named): Promise<NamespaceDetail> {
  const proxy = wired.proxies.byName.get(name);
  const usage = entry.type === 'virtual' ? undefined : await wired.store.cache.usage(name as RepositoryName);
  const rules = Object.entries(entry).filter(([key, value]) => !SHOWN.includes(key) && !isEmpty(value));
  return {
    ...namespaceItem(name, entry),
    rules: { ...Object.fromEntries(rules), ...memberRules(entry) },
    ...(usage ? { usage } : {}),
    ...(entry.type === 'proxy' && entry.maxBytes !== undefined ? { maxBytes: bytesOf(entry.maxBytes) } : {}),
    ...(proxy ? { traffic: trafficOf(await proxy.counters()) } : {}),
    repositories: [...repositories],
  };
}

/** What a virtual namespace shows of each member, where that is not all of it: an image that is filtered out is just "unknown". */
function memberRules(entry: NamespaceConfig): { readonly members?: readonly object[] } {
  if (entry.type !== 'virtual') return {};
  const ruled = entry.members
    .map(memberOf)
    .filter(({ allow, deny, whenDown }) => allow.length + deny.length > 0 || whenDown === 'skip');
  const members = ruled.map((member) =>
    Object.fromEntries(Object.entries(member).filter(([, value]) => !isEmpty(value))),
  );
  return members.length === 0 ? {} : { members };
}

function isEmpty(value: unknown): boolean {
  return value === undefined || (Array.isArray(value) && value.length === 0);
}

/** Answers for which nothing was downloaded, and those for which something was. */
const FROM_HERE: readonly Verdict[] = ['hit', 'revalidated', 'stale-if-error', 'offline'];
const FROM_THERE: readonly Verdict[] = ['miss', 'refreshed'];

function hitRateOf({ verdicts }: Pick<NamespaceCounters, 'verdicts'>): number | undefined {
  const sum = (list: readonly Verdict[]) => list.reduce((total, verdict) => total + (verdicts[verdict] ?? 0), 0);
  const here = sum(FROM_HERE);
  const all = here + sum(FROM_THERE);
  return all === 0 ? undefined : here / all;
}

function trafficOf(counters: NamespaceCounters): NonNullable<NamespaceDetail['traffic']> {
  const { verdicts, bytesServed, bytesSaved, upstreamBytes, upstreamPulls, sinceMs } = counters;
  const hitRate = hitRateOf(counters);
  return {
    since: new Date(sinceMs).toISOString(),
    verdicts: { ...verdicts },
    ...(hitRate === undefined ? {} : { hitRate }),
    ...{ bytesServed, bytesSaved, upstreamBytes, upstreamPulls },
  };
}

export async function proxyItems({ config, proxies, store }: Wired): Promise<Status['proxies']> {
  const items: Status['proxies'] = [];
  for (const [name, entry] of proxyEntries(config)) {
    const counters = await proxies.byName.get(name)?.counters();
    const hitRate = counters && hitRateOf(counters);
    items.push({
      namespace: name,
      upstreams: [...listOf(entry.upstream)],
      bytes: (await store.cache.usage(name as RepositoryName)).bytes,
      ...(entry.maxBytes === undefined ? {} : { maxBytes: bytesOf(entry.maxBytes) }),
      ...(hitRate === undefined ? {} : { hitRate }),
      bytesSaved: counters?.bytesSaved ?? 0,
      upstreamPulls: counters?.upstreamPulls ?? 0,
    });
  }
  return items;
}

export function cacheEntryOf(explained: Explanation): CacheEntry {
  const { namespace, repository, reference, upstream, cached, digest, rule, next, why, blobs } = explained;
  return {
    ...{ namespace, repository, reference, cached, rule, next, why },
    upstream: `${upstream.host}/${upstream.repository}`,
    ...(digest === undefined ? {} : { digest }),
    ...time('checkedAt', explained.checkedAtMs),
    ...time('freshUntil', explained.freshUntilMs),
    ...time('servedStaleUntil', explained.servedStaleUntilMs),
    ...(blobs ? { blobs } : {}),
  };
}
