import { parsePlatform, tryParseRepository } from '#core/oci';
import { compileGlob, semverRange, tagMatcher } from '#core/std';
import { tryParseDuration } from './duration.ts';
import { type Finding, nameOf } from './issue.ts';
import { isLoopback, tryParseListen } from './listen.ts';
import type { Path } from './position.ts';
import { nearest } from './problem.ts';
import type { Config, CredentialConfig, MirrorConfig, RegistryConfig } from './schema.ts';

/** What the form of the file cannot say: addresses, patterns, names that refer to each other. */
export function checkMeaning(config: Config): Finding[] {
  return [
    ...checkServer(config),
    ...checkDurations(config),
    ...Object.entries(config.registries).flatMap(([host, registry]) => [
      ...checkHost(host, ['registries', host]),
      ...checkUrl(registry.url, ['registries', host, 'url']),
      ...checkUrl(registry.proxyUrl, ['registries', host, 'proxyUrl']),
      ...checkCredentials(registry.credentials, ['registries', host, 'credentials']),
      ...registry.trustedHosts.flatMap((trusted, index) =>
        checkHost(trusted, ['registries', host, 'trustedHosts', index]),
      ),
    ]),
    ...(config.namespaces && Object.keys(config.namespaces).length === 0
      ? [wrong(['namespaces'], 'namespaces is empty: no name would be served; leave it out to host every name')]
      : []),
    ...Object.entries(config.namespaces ?? {}).flatMap(([name, namespace]) => [
      ...checkNamespaceName(name),
      ...eachAt(namespace.immutableTags, ['namespaces', name, 'immutableTags'], (rule) => tagMatcher(rule)),
    ]),
    ...(config.access?.anonymous ?? []).flatMap((rule, index) =>
      eachAt(rule.repositories, ['access', 'anonymous', index, 'repositories'], (glob) => compileGlob(glob)),
    ),
    ...Object.entries(config.mirrors).flatMap(([name, mirror]) => checkMirror(config, name, mirror)),
  ];
}

function checkServer({ server, access }: Config): Finding[] {
  const findings = checkUrl(server.url, ['server', 'url']);
  const listen = tryParseListen(server.listen);
  if (!listen) {
    const message = `server.listen: expected address:port, got "${server.listen}"; for example "127.0.0.1:5000"`;
    return [...findings, { path: ['server', 'listen'], at: 'value', message }];
  }
  if (server.tls && server.insecure) {
    findings.push(wrong(['server', 'insecure'], 'server.insecure and server.tls exclude each other'));
  }
  if (isLoopback(listen.hostname)) return findings;
  if (!server.tls && !server.insecure) {
    const message = `server.listen: ${server.listen} is reachable from other machines; add server.tls, or "insecure: true" for plain HTTP`;
    findings.push(wrong(['server', 'listen'], message));
  }
  if (!access) {
    const message = `server.listen: ${server.listen} is reachable from other machines; add access.anonymous rules that say who may what`;
    findings.push(wrong(['server', 'listen'], message));
  }
  return findings;
}

function checkDurations({ storage }: Config): Finding[] {
  return (['gcGrace', 'uploadsExpire'] as const)
    .filter((key) => tryParseDuration(storage[key]) === undefined)
    .map((key) =>
      wrong(['storage', key], `storage.${key}: expected a duration such as 10m, 24h or 7d, got "${storage[key]}"`),
    );
}

function checkMirror(config: Config, name: string, mirror: MirrorConfig): Finding[] {
  const at = (...rest: PropertyKey[]) => ['mirrors', name, ...rest];
  return [
    ...checkSource(mirror.source, at('source')),
    ...eachAt(mirror.repositories, at('repositories'), (glob) => compileGlob(glob)),
    ...checkTags(mirror.tags, at('tags')),
    ...eachAt(mirror.platforms ?? [], at('platforms'), (platform) => parsePlatform(platform)),
    ...mirror.destinations.flatMap((text, index) => checkDestination(config, text, at('destinations', index))),
    ...checkRewrite(mirror.rewrite, at('rewrite')),
  ];
}

function checkTags(tags: MirrorConfig['tags'], path: Path): Finding[] {
  if (tags === undefined) return [];
  if (Array.isArray(tags)) return eachAt(tags, path, (rule) => tagMatcher(rule));
  return [
    ...eachAt(tags.include, [...path, 'include'], (rule) => tagMatcher(rule)),
    ...eachAt(tags.exclude, [...path, 'exclude'], (rule) => tagMatcher(rule)),
    ...(tags.semver === undefined ? [] : tried([...path, 'semver'], () => semverRange(tags.semver ?? ''))),
  ];
}

/** Whether the first part of a place is a host, as docker tells it. */
export function looksLikeHost(segment: string): boolean {
  return segment.includes('.') || segment.includes(':') || segment === 'localhost';
}

function checkSource(source: string, path: Path): Finding[] {
  const [host = '', ...rest] = source.split('/');
  if (!looksLikeHost(host)) {
    return [
      wrong(
        path,
        `${nameOf(path)}: expected host or host/namespace, got "${source}"; for Docker Hub write docker.io/${source}`,
      ),
    ];
  }
  return [...checkHost(host, path), ...checkRepositoryPath(rest, path)];
}

function checkDestination(config: Config, destination: string, path: Path): Finding[] {
  const [first = '', ...rest] = destination.split('/');
  const namespaces = Object.keys(config.namespaces ?? {});
  if (namespaces.some((name) => destination === name || destination.startsWith(`${name}/`))) {
    return checkRepositoryPath(destination.split('/'), path);
  }
  if (looksLikeHost(first)) return [...checkHost(first, path), ...checkRepositoryPath(rest, path)];
  if (config.namespaces === undefined) return checkRepositoryPath(destination.split('/'), path);
  const meant = nearest(first, namespaces);
  const hint = meant === undefined ? '' : ` (did you mean "${meant}"?)`;
  return [wrong(path, `${nameOf(path)}: "${first}" is neither a namespace of this file nor a host${hint}`)];
}

function checkRepositoryPath(parts: readonly string[], path: Path): Finding[] {
  if (parts.length === 0 || tryParseRepository(parts.join('/'))) return [];
  return [wrong(path, `${nameOf(path)}: "${parts.join('/')}" is not a repository name`)];
}

function checkRewrite(rewrite: string, path: Path): Finding[] {
  const unknown = [...rewrite.matchAll(/\{([^}]*)\}/g)].find((match) => match[1] !== 'path' && match[1] !== 'name');
  if (unknown) return [wrong(path, `${nameOf(path)}: ${unknown[0]} is unknown; {path} and {name} are known`)];
  return tryParseRepository(rewrite.replaceAll(/\{(?:path|name)\}/g, 'x')) === undefined
    ? [wrong(path, `${nameOf(path)}: "${rewrite}" does not make a repository name`)]
    : [];
}

function checkNamespaceName(name: string): Finding[] {
  if (tryParseRepository(name)) return [];
  const path = ['namespaces', name];
  return [
    { path, at: 'key', message: `namespaces: "${name}" is not a name: lower-case letters, digits and separators` },
  ];
}

const HOST = /^(?:\[[0-9a-fA-F:]+\]|[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?)(?::\d{1,5})?$/;

function checkHost(host: string, path: Path): Finding[] {
  if (HOST.test(host)) return [];
  const at = path[0] === 'registries' && path.length === 2 ? 'key' : 'value';
  return [
    { path, at, message: `"${host}" is not a host; write a name without https://, such as quay.io or registry:5000` },
  ];
}

function checkUrl(url: string | undefined, path: Path): Finding[] {
  if (url === undefined) return [];
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) {
    return [wrong(path, `${nameOf(path)}: expected a URL that starts with https:// or http://, got "${url}"`)];
  }
  if (parsed.password !== '') {
    return [wrong(path, `${nameOf(path)}: a password must not stand in a URL; use credentials with passwordFile`)];
  }
  return [];
}

function checkCredentials(credentials: RegistryConfig['credentials'], path: Path): Finding[] {
  if (!Array.isArray(credentials)) return credentials ? checkCredential(credentials, path) : [];
  const catchAll = credentials.findIndex(({ repositories }) => repositories === undefined);
  return credentials.flatMap((credential, index) => {
    const here = [...path, index];
    const findings = checkCredential(credential, here);
    if (catchAll < 0 || index <= catchAll) return findings;
    const before = nameOf([...path, catchAll]);
    return [...findings, wrong(here, `${nameOf(here)} is never used: ${before} has no repositories, so it is for all`)];
  });
}

function checkCredential(credential: CredentialConfig, path: Path): Finding[] {
  return [
    ...eachAt(credential.repositories ?? [], [...path, 'repositories'], (glob) => compileGlob(glob)),
    ...checkSecret(credential, path),
  ];
}

function checkSecret(credential: CredentialConfig, path: Path): Finding[] {
  const secrets = [
    credential.passwordFile,
    credential.passwordEnv,
    credential.identityTokenFile,
    credential.identityTokenEnv,
    credential.registryTokenFile,
    credential.registryTokenEnv,
  ].filter((secret) => secret !== undefined);
  if (secrets.length !== 1) {
    const found = secrets.length === 0 ? 'none' : String(secrets.length);
    return [
      wrong(
        path,
        `${nameOf(path)}: expected one secret (passwordFile, passwordEnv, identityTokenFile, …), got ${found}`,
      ),
    ];
  }
  const needsName = credential.passwordFile !== undefined || credential.passwordEnv !== undefined;
  if (needsName && credential.username === undefined) return [wrong(path, `${nameOf(path)}.username is missing`)];
  return [];
}

function eachAt(texts: readonly string[], path: Path, compile: (text: string) => unknown): Finding[] {
  return texts.flatMap((text, index) => tried([...path, index], () => compile(text)));
}

function tried(path: Path, attempt: () => unknown): Finding[] {
  try {
    attempt();
    return [];
  } catch (thrown) {
    if (!(thrown instanceof Error)) throw thrown;
    return [wrong(path, `${nameOf(path)}: ${thrown.message}`)];
  }
}

function wrong(path: Path, message: string): Finding {
  return { path, at: 'value', message };
}
