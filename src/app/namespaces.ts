import { immutable, type Registry, type Routes, routed, unified } from '#core/registry';
import type { Proxy as ProxyRegistry } from '#registries/proxy';
import { type Config, memberOf, type NamespaceConfig, type VirtualConfig } from '#surface/config';

type Namespaces = Readonly<Record<string, NamespaceConfig>>;

/** What the namespaces of a configuration are made of. */
export type Parts = {
  /** What is hosted here. */
  readonly store: Registry;
  readonly proxies: ReadonlyMap<string, ProxyRegistry>;
};

/** Without namespaces every name is hosted; with them, only what they cover, each under its own rules. */
export function namespaced({ namespaces }: Config, parts: Parts): Registry {
  if (namespaces === undefined) return parts.store;
  const hosted = hostedBy(parts.store);
  const made = new Map<string, Registry>();
  const registryOf = (name: string): Registry => {
    const registry = made.get(name) ?? make(name);
    made.set(name, registry);
    return registry;
  };
  const make = (name: string): Registry => {
    const entry = namespaces[name];
    if (entry?.type === 'hosted') return hosted(entry.immutableTags);
    if (entry?.type === 'virtual') return virtual(name, entry, registryOf);
    const proxy = parts.proxies.get(name);
    if (proxy) return proxy;
    throw new RangeError(`no registry was made for ${name}`);
  };
  const routes: Routes = Object.fromEntries(Object.keys(namespaces).map((name) => [name, registryOf(name)]));
  return routed(routes);
}

/** Namespaces of equal rules share one wrapper: blobs can be mounted from one into the other. */
function hostedBy(store: Registry): (immutableTags: readonly string[]) => Registry {
  const byRules = new Map<string, Registry>([['[]', store]]);
  return (immutableTags) => {
    const key = JSON.stringify(immutableTags.toSorted());
    const registry = byRules.get(key) ?? immutable(store, immutableTags);
    byRules.set(key, registry);
    return registry;
  };
}

function virtual(
  namespace: string,
  { members, push }: VirtualConfig,
  registryOf: (name: string) => Registry,
): Registry {
  return unified({
    namespace,
    members: members.map(memberOf).map((member) => ({ ...member, registry: registryOf(member.namespace) })),
    ...(push === undefined ? {} : { push }),
  });
}

/** Namespaces by the names they cover, for whoever must tell which one a name is in. */
export function proxyFinder({ namespaces }: Pick<Config, 'namespaces'>, proxies: ReadonlyMap<string, ProxyRegistry>) {
  const byLength = Object.keys((namespaces ?? {}) satisfies Namespaces).toSorted((a, b) => b.length - a.length);
  const keys = byLength.map((name) => ({ start: `${name}/`, proxy: proxies.get(name) }));
  return (repository: string): ProxyRegistry | undefined => {
    if (proxies.size === 0) return undefined;
    return keys.find(({ start }) => repository.startsWith(start))?.proxy;
  };
}
