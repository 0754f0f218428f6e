import { DOCKER_HUB, tryParseRepository } from '#core/oci';
import { wrong } from './finding.ts';
import { type Finding, nameOf } from './issue.ts';
import type { Path } from './position.ts';

/** Whether the first part of a place is a host, as docker tells it. */
export function looksLikeHost(segment: string): boolean {
  return segment.includes('.') || segment.includes(':') || segment === 'localhost';
}

export function checkSource(source: string, path: Path): Finding[] {
  const [host = '', ...rest] = source.split('/');
  if (!looksLikeHost(host)) {
    return [
      wrong(
        path,
        `${nameOf(path)}: expected host or host/namespace, got "${source}"; for Docker Hub write ${DOCKER_HUB}/${source}`,
      ),
    ];
  }
  return [...checkHost(host, path), ...checkRepositoryPath(rest, path)];
}

export function checkRepositoryPath(parts: readonly string[], path: Path): Finding[] {
  if (parts.length === 0 || tryParseRepository(parts.join('/'))) return [];
  return [wrong(path, `${nameOf(path)}: "${parts.join('/')}" is not a repository name`)];
}

const HOST = /^(?:\[[0-9a-fA-F:]+\]|[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?)(?::\d{1,5})?$/;

export function checkHost(host: string, path: Path): Finding[] {
  if (HOST.test(host)) return [];
  const at = path[0] === 'registries' && path.length === 2 ? 'key' : 'value';
  return [
    { path, at, message: `"${host}" is not a host; write a name without https://, such as quay.io or registry:5000` },
  ];
}

export function checkUrl(url: string | undefined, path: Path): Finding[] {
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
