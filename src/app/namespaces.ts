import { isRegistryError, type RepositoryName, tryParseRepository } from '#core/oci';
import { immutable, type Registry, type Routes, routed, unified } from '#core/registry';
import type { Proxy as ProxyRegistry } from '#registries/proxy';
import { type Config, memberOf, type NamespaceConfig, type VirtualConfig } from '#surface/config';

type Namespaces = Readonly<Record<string, NamespaceConfig>>;

/** What the namespaces of a configuration are made of. */
export type Parts = {
  /** What is hosted here. */
  readonly store: Registry;
  /** What answers for each proxy namespace. */
  readonly proxies: ReadonlyMap<string, Registry>;
  /** The one name of a repository that has several. */
  readonly canonical: Canonical;
};

type Canonical = (repository: RepositoryName) => RepositoryName;

/** Without namespaces every name is hosted; with them, only what they cover, each under its own rules. */
export function namespaced({ namespaces }: Config, parts: Parts): Registry {
  if (namespaces === undefined) return parts.store;
  const hosted = hostedBy(parts.store);
  const members: Routes = Object.fromEntries(
    Object.entries(namespaces).flatMap(([name, entry]) =>
      entry.type === 'virtual'
        ? []
        : [[name, entry.type === 'hosted' ? hosted(entry.immutableTags) : proxyOf(parts, name)]],
    ),
  );
  return routed(withVirtuals(members, virtualsOf(namespaces), meaningsIn(namespaces, parts.canonical)));
}

type Virtual = readonly [name: string, entry: VirtualConfig];

function virtualsOf(namespaces: Readonly<Record<string, NamespaceConfig>>): Virtual[] {
  return Object.entries(namespaces).flatMap(([name, entry]) =>
    entry.type === 'virtual' ? [[name, entry] as const] : [],
  );
}

/**
 * A member is asked by its full names, by way of all routes: what another namespace has below it (team/secret) keeps
 * that one's rules. A virtual one whose members are virtual too is made after them.
 */
function withVirtuals(routes: Routes, waiting: readonly Virtual[], meaningsOf: MeaningsOf): Routes {
  const waits = new Set(waiting.map(([name]) => name));
  const ready = waiting.filter(
    ([, { members }]) => !members.map(memberOf).some(({ namespace }) => waits.has(namespace)),
  );
  if (ready.length === 0) {
    if (waiting.length > 0) throw new RangeError(`${[...waits].join(', ')} are members of each other`);
    return routes;
  }
  const all = routed(routes);
  const made = Object.fromEntries(ready.map(([name, entry]) => [name, virtual(entry, { name, all, meaningsOf })]));
  return withVirtuals(
    { ...routes, ...made },
    waiting.filter((each) => !ready.includes(each)),
    meaningsOf,
  );
}

type Meanings = (below: string) => readonly string[];
type MeaningsOf = (namespace: string) => Meanings;

/** What a name may stand for below a namespace: in a virtual one whatever its members make of it. */
function meaningsIn(namespaces: Namespaces, canonical: Canonical): MeaningsOf {
  const meaningsOf: MeaningsOf = (namespace) => {
    const entry = namespaces[namespace];
    if (entry?.type !== 'virtual') return (below) => [meaningIn(namespace, below, canonical)];
    const members = entry.members.map((written) => meaningsOf(memberOf(written).namespace));
    return (below) => [...new Set([below, ...members.flatMap((meanings) => meanings(below))])];
  };
  return meaningsOf;
}

function meaningIn(namespace: string, below: string, canonical: Canonical): string {
  const name = below === '' ? undefined : tryParseRepository(`${namespace}/${below}`);
  return name === undefined ? below : canonical(name).slice(namespace.length + 1);
}

function proxyOf({ proxies }: Parts, name: string): Registry {
  const proxy = proxies.get(name);
  if (proxy) return proxy;
  throw new RangeError(`no registry was made for ${name}`);
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

type Making = { readonly name: string; readonly all: Registry; readonly meaningsOf: MeaningsOf };

function virtual({ members, push }: VirtualConfig, { name, all, meaningsOf }: Making): Registry {
  return unified({
    namespace: name,
    members: members.map(memberOf).map((member) => {
      return { ...member, registry: all, meanings: meaningsOf(member.namespace) };
    }),
    ...(push === undefined ? {} : { push }),
  });
}

/** Namespaces by the names they cover, for whoever must tell which one a name is in. */
export function proxyFinder({ namespaces }: Pick<Config, 'namespaces'>, proxies: ReadonlyMap<string, ProxyRegistry>) {
  const byLength = Object.keys((namespaces ?? {}) satisfies Namespaces).toSorted((a, b) => b.length - a.length);
  const keys = byLength.map((name) => ({ name, start: `${name}/`, proxy: proxies.get(name) }));
  return (repository: string): ProxyRegistry | undefined => {
    if (proxies.size === 0) return undefined;
    return keys.find(({ name, start }) => repository === name || repository.startsWith(start))?.proxy;
  };
}

/** The one name of what is in a proxy namespace. What is no name there stays as it is: it will be refused by whom it is asked of. */
export function canonicalBy(proxyOf: (repository: string) => ProxyRegistry | undefined): Canonical {
  return (repository) => {
    try {
      return proxyOf(repository)?.canonicalName(repository) ?? repository;
    } catch (thrown) {
      if (isRegistryError(thrown, 'NAME_UNKNOWN', 'NAME_INVALID')) return repository;
      throw thrown;
    }
  };
}
