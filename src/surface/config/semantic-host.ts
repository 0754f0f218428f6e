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
  const name = parts.join('/');
  const problem = name === '' ? 'nothing stands after the /' : `"${name}" is not a repository name`;
  return [wrong(path, `${nameOf(path)}: ${problem}`)];
}

const HOST = /^(?:\[[0-9a-fA-F:]+\]|[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?)(?::\d{1,5})?$/;

const HIGHEST_PORT = 65_535;

export function checkHost(host: string, path: Path): Finding[] {
  if (HOST.test(host) && Number(/:(\d+)$/.exec(host)?.[1] ?? 1) <= HIGHEST_PORT) return [];
  const isKey = path[0] === 'registries' && path.length === 2;
  const message = `${isKey ? 'registries' : nameOf(path)}: "${host}" is not a host; write a name without https://, such as quay.io or registry:5000`;
  return [{ path, at: isKey ? 'key' : 'value', message }];
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
