import { parsePlatform, tryParseRepository } from '#core/oci';
import { compileGlob, semverRange, tagMatcher } from '#core/std';
import { checkDuration, checkSize, eachAt, tried, wrong } from './finding.ts';
import { type Finding, nameOf } from './issue.ts';
import { isLoopback, tryParseListen } from './listen.ts';
import { namespaceOf } from './namespace.ts';
import type { Path } from './position.ts';
import { nearest } from './problem.ts';
import type { Config, CredentialConfig, MirrorConfig, RegistryConfig } from './schema.ts';
import { checkHost, checkRepositoryPath, checkSource, checkUrl, looksLikeHost } from './semantic-host.ts';
import { checkNamespaces } from './semantic-namespace.ts';

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
      ...checkSize(registry.limits.bytesPerSecond, ['registries', host, 'limits', 'bytesPerSecond']),
      ...registry.trustedHosts.flatMap((trusted, index) =>
        checkHost(trusted, ['registries', host, 'trustedHosts', index]),
      ),
    ]),
    ...checkNamespaces(config),
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
  return (['gcGrace', 'uploadsExpire'] as const).flatMap((key) => checkDuration(storage[key], ['storage', key]));
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

function checkDestination(config: Config, destination: string, path: Path): Finding[] {
  const [first = '', ...rest] = destination.split('/');
  const namespaces = Object.keys(config.namespaces ?? {});
  const namespace = namespaceOf(config.namespaces, destination);
  if (namespace !== undefined) {
    return [
      ...checkRepositoryPath(destination.split('/'), path),
      ...tried(path, () => requireWritable(config, namespace)),
    ];
  }
  if (looksLikeHost(first)) return [...checkHost(first, path), ...checkRepositoryPath(rest, path)];
  if (config.namespaces === undefined) return checkRepositoryPath(destination.split('/'), path);
  const meant = nearest(first, namespaces);
  const hint = meant === undefined ? '' : ` (did you mean "${meant}"?)`;
  return [wrong(path, `${nameOf(path)}: "${first}" is neither a namespace of this file nor a host${hint}`)];
}

function requireWritable({ namespaces }: Config, name: string): void {
  const namespace = namespaces?.[name];
  if (namespace?.type === 'proxy') throw new Error(`${name} is a proxy namespace: only what is pulled is kept there`);
  if (namespace?.type === 'virtual' && namespace.push === undefined) {
    throw new Error(`${name} is a virtual namespace without push; name one of its members`);
  }
}

function checkRewrite(rewrite: string, path: Path): Finding[] {
  const unknown = [...rewrite.matchAll(/\{([^}]*)\}/g)].find((match) => match[1] !== 'path' && match[1] !== 'name');
  if (unknown) return [wrong(path, `${nameOf(path)}: ${unknown[0]} is unknown; {path} and {name} are known`)];
  return tryParseRepository(rewrite.replaceAll(/\{(?:path|name)\}/g, 'x')) === undefined
    ? [wrong(path, `${nameOf(path)}: "${rewrite}" does not make a repository name`)]
    : [];
}

function checkCredentials(credentials: RegistryConfig['credentials'], path: Path): Finding[] {
  if (!Array.isArray(credentials)) return credentials ? checkCredential(credentials, path) : [];
  return credentials.flatMap((credential, index) => checkCredential(credential, [...path, index]));
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
