import { parsePlatform, parseReference, tryParseRepository } from '#core/oci';
import { compileGlob, tagMatcher } from '#core/std';
import { checkDuration, checkSize, eachAt, tried, wrong } from './finding.ts';
import { type Finding, nameOf } from './issue.ts';
import { isLoopback, tryParseListen } from './listen.ts';
import { listOf, type NamespaceConfig, type ProxyConfig } from './namespace.ts';
import type { Path } from './position.ts';
import type { Config } from './schema.ts';
import { checkHost, checkSource } from './semantic-host.ts';
import { checkVirtual } from './semantic-virtual.ts';
import { nameAt, parseKept, parseNamedImage, type UpstreamPlace, upstreamPlace } from './upstream.ts';

/** What the form cannot say of namespaces: names, patterns, durations, and whom they refer to. */
export function checkNamespaces(config: Config): Finding[] {
  const { namespaces } = config;
  if (namespaces === undefined) return [];
  const entries = Object.entries(namespaces);
  if (entries.length === 0) {
    return [wrong(['namespaces'], 'namespaces is empty: no name would be served; leave it out to host every name')];
  }
  return [
    ...entries.flatMap(([name, namespace]) => [
      ...checkNamespaceName(name),
      ...checkNamespace(config, name, namespace),
      ...namespace.hosts.flatMap((host, index) => checkHost(host, ['namespaces', name, 'hosts', index])),
    ]),
    ...checkHostsDiffer(entries),
  ];
}

function checkNamespaceName(name: string): Finding[] {
  if (tryParseRepository(name)) return [];
  const path = ['namespaces', name];
  return [
    { path, at: 'key', message: `namespaces: "${name}" is not a name: lower-case letters, digits and separators` },
  ];
}

function checkNamespace(config: Config, name: string, namespace: NamespaceConfig): Finding[] {
  const path = ['namespaces', name];
  if (namespace.type === 'proxy') return checkProxy(config, namespace, path);
  if (namespace.type === 'virtual') return checkVirtual(config.namespaces ?? {}, name, namespace);
  return eachAt(namespace.immutableTags, [...path, 'immutableTags'], (rule) => tagMatcher(rule));
}

/** A request that names a host goes to one namespace. */
function checkHostsDiffer(entries: readonly (readonly [string, NamespaceConfig])[]): Finding[] {
  const ownerOf = new Map<string, string>();
  return entries.flatMap(([name, { hosts }]) =>
    hosts.flatMap((written, index) => {
      const host = written.toLowerCase();
      const path = ['namespaces', name, 'hosts', index];
      const owner = ownerOf.get(host);
      ownerOf.set(host, owner ?? name);
      return owner === undefined ? [] : [wrong(path, `${nameOf(path)}: ${written} leads to ${owner} already`)];
    }),
  );
}

const DURATIONS = ['freshFor', 'staleWhileRevalidate', 'staleIfError', 'negativeFor'] as const;

function checkProxy(config: Config, proxy: ProxyConfig, path: Path): Finding[] {
  const at = (...rest: PropertyKey[]) => [...path, ...rest];
  const places = listOf(proxy.upstream);
  const isList = typeof proxy.upstream !== 'string';
  return [
    ...places.flatMap((text, index) => [
      ...checkUpstream(config, text, isList ? at('upstream', index) : at('upstream')),
      ...(places.indexOf(text) < index
        ? [wrong(at('upstream', index), `${nameOf(at('upstream', index))}: ${text} is in the list already`)]
        : []),
    ]),
    ...DURATIONS.flatMap((key) => checkDuration(proxy[key], at(key))),
    ...proxy.freshness.flatMap((rule, index) => [
      ...checkTagRules(rule.tags, at('freshness', index, 'tags')),
      ...DURATIONS.flatMap((key) => checkDuration(rule[key], at('freshness', index, key))),
    ]),
    ...(['allow', 'deny', 'neverUpstream'] as const).flatMap((key) => eachAt(proxy[key], at(key), compileGlob)),
    ...eachAt(proxy.platforms, at('platforms'), (platform) => parsePlatform(platform)),
    ...checkSize(proxy.maxBytes, at('maxBytes')),
    ...eachAt(proxy.keep, at('keep'), parseKept),
    ...eachAt(proxy.warm, at('warm'), (text) => requireServed(proxy, text, upstreamPlace(places[0] ?? ''))),
  ];
}

function checkTagRules(tags: string | readonly string[], path: Path): Finding[] {
  return typeof tags === 'string'
    ? tried(path, () => tagMatcher(tags))
    : eachAt(tags, path, (rule) => tagMatcher(rule));
}

function checkUpstream(config: Config, text: string, path: Path): Finding[] {
  const bare = text.replace(/^https?:\/\//, '');
  if (bare !== text) {
    return [wrong(path, `${nameOf(path)}: write ${bare} instead of ${text}; how it is reached stands in registries`)];
  }
  const findings = checkSource(text, path);
  if (findings.length > 0) return findings;
  const { host } = upstreamPlace(text);
  // Docker Hub has names by which other programs know it, and one by which this file does.
  const known = parseReference(`${host}/x/x`).host;
  if (known !== host) return [wrong(path, `${nameOf(path)}: write ${known} instead of ${host}`)];
  const own = ownAddress(config, host);
  return own === undefined ? [] : [wrong(path, `${nameOf(path)}: ${host} is this server itself (${own})`)];
}

/** The key by which a host is this server. Reading itself, it would ask without end. */
function ownAddress({ server, registries, namespaces }: Config, name: string): string | undefined {
  const url = registries[name]?.url;
  const host = url !== undefined && URL.canParse(url) ? new URL(url).host : name;
  if (server.url !== undefined && URL.canParse(server.url) && new URL(server.url).host === host) return 'server.url';
  const listen = tryParseListen(server.listen);
  const reached = tryParseListen(host);
  if (reached && isLoopback(reached.hostname) && reached.port === listen?.port) return 'server.listen';
  const owner = Object.entries(namespaces ?? {}).find(([, { hosts }]) =>
    hosts.some((one) => one.toLowerCase() === host),
  );
  return owner && `namespaces.${owner[0]}.hosts`;
}

/** What is warmed must be one that would be served. */
function requireServed(proxy: ProxyConfig, text: string, place: UpstreamPlace): void {
  const name = nameAt(place, parseNamedImage(text, place).repository);
  const denial = (['neverUpstream', 'deny'] as const).find((key) => proxy[key].some((glob) => compileGlob(glob)(name)));
  if (denial) throw new Error(`${name} is never fetched: it is in ${denial}`);
  if (proxy.allow.length > 0 && !proxy.allow.some((glob) => compileGlob(glob)(name))) {
    throw new Error(`${name} is never fetched: it is not in allow`);
  }
}
