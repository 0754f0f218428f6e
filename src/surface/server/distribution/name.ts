import { RegistryError, type RegistryRequest, type RepositoryName, tryParseRepository } from '#core/oci';

/** Names of an upstream below `prefix` (empty: all) are kept in `namespace`. */
export type NameRule = { readonly prefix: string; readonly namespace: string };

/** Other names for what is here, by who asks how. */
export type NameTable = {
  /** By the registry that a client believes to talk to: `?ns=docker.io`, as containerd asks a mirror. Longest prefix first. */
  readonly byNs: Readonly<Record<string, readonly NameRule[]>>;
  /** By the host that is asked (`host` or `host:port`): for clients that can name a mirror and no path. */
  readonly byHost: Readonly<Record<string, string>>;
  /** Names of this server itself: as `ns` they say nothing. */
  readonly own: readonly string[];
  /** The one name of what has several full ones: `hub/library/redis` for `hub/redis`. */
  readonly canonical?: (repository: RepositoryName) => RepositoryName;
};

/** The request under its full name here. Throws NAME_UNKNOWN for an `ns` that nothing here stands for, NAME_INVALID. */
export type ResolveName = (request: RegistryRequest, authority: string) => RegistryRequest;

/**
 * Resolves names before anything is authenticated or authorised, so that rights are always on the full name.
 * A name that begins with the namespace already is full: answers tell clients full names (Location, Link), and
 * some are configured with the namespace in the mirror's path.
 */
export function createNames({ byNs, byHost, own, canonical = (name) => name }: NameTable): ResolveName {
  const namespaces = new Map(Object.entries(byNs));
  const hosts = new Map(Object.entries(byHost));
  return (request, authority) => {
    if (!('repository' in request)) return request;
    const ns = 'ns' in request ? request.ns : undefined;
    if (ns !== undefined && ns !== authority && !own.includes(ns)) {
      const rules = namesOf(namespaces, ns);
      return renamed(request, (name) => canonical(fullName(name, rules, ns)));
    }
    const namespace = hosts.get(authority);
    if (namespace === undefined) return renamed(request, canonical);
    const rules = [{ prefix: '', namespace }];
    return renamed(request, (name) => canonical(fullName(name, rules, authority)));
  };
}

function namesOf(namespaces: ReadonlyMap<string, readonly NameRule[]>, ns: string): readonly NameRule[] {
  const rules = namespaces.get(ns) ?? (DOCKER_HUB.includes(ns) ? namespaces.get('docker.io') : undefined);
  if (rules) return rules;
  throw new RegistryError('NAME_UNKNOWN', `nothing here stands for ${ns.slice(0, 120)}`, {
    why: 'the client asked with ?ns=, and no proxy namespace has that upstream',
    hint: 'add a namespace with that upstream, or leave that registry out of the client’s mirrors',
    detail: { ns: ns.slice(0, 120) },
  });
}

/** One registry by several names. */
const DOCKER_HUB: readonly string[] = ['index.docker.io', 'registry-1.docker.io', 'registry.docker.io'];

type Named = Extract<RegistryRequest, { readonly repository: RepositoryName }>;

/** The same object where no name changes. */
function renamed(request: Named, rename: (name: RepositoryName) => RepositoryName): RegistryRequest {
  const repository = rename(request.repository);
  if (!('from' in request) || request.from === undefined) {
    return repository === request.repository ? request : { ...request, repository };
  }
  return { ...request, repository, from: rename(request.from) };
}

function fullName(name: RepositoryName, rules: readonly NameRule[], by: string): RepositoryName {
  for (const { prefix, namespace } of rules) {
    if (name.startsWith(`${namespace}/`)) return name;
    const below = belowPrefix(name, prefix);
    if (below === undefined) continue;
    const full = tryParseRepository(`${namespace}/${below}`);
    if (full) return full;
    throw new RegistryError('NAME_INVALID', `${namespace}/${below} is too long for a name`);
  }
  throw new RegistryError('NAME_UNKNOWN', `${name} of ${by} is not kept here`, {
    hint: `kept are names below ${rules.map(({ prefix }) => prefix).join(', ')}`,
  });
}

function belowPrefix(name: string, prefix: string): string | undefined {
  if (prefix === '') return name;
  return name.startsWith(`${prefix}/`) ? name.slice(prefix.length + 1) : undefined;
}
