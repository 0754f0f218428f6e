import { DOCKER_HUB, RegistryError, type RepositoryName, tryParseRepository } from '#core/oci';
import { nameUnknown } from '#core/registry';
import type { UpstreamMember } from './types.ts';

/** Docker Hub's own names for itself. */
const DOCKER_HUB_HOSTS: ReadonlySet<string> = new Set([DOCKER_HUB, 'index.docker.io', 'registry-1.docker.io']);

/** A repository's names here and there. */
export type Names = {
  /** Here: `hub/library/redis`, also where `hub/redis` was asked for. */
  readonly local: RepositoryName;
  /** At each upstream, in order: `library/redis`. */
  readonly upstream: readonly RepositoryName[];
};

/** Translates names of a namespace. Throws NAME_UNKNOWN for one that is no repository there. */
export function namesIn(namespace: RepositoryName, members: readonly Pick<UpstreamMember, 'upstream' | 'prefix'>[]) {
  // One name of one segment is `library/` there; where a prefix is set it is part of a longer name already.
  const isDockerHub = members.some(({ upstream, prefix }) => DOCKER_HUB_HOSTS.has(upstream.host) && prefix === '');
  return (repository: RepositoryName): Names => {
    const rest = restOf(namespace, repository);
    const canonical = isDockerHub && rest !== '' && !rest.includes('/') ? `library/${rest}` : rest;
    return {
      local: nameOf(repository, namespace, canonical),
      upstream: members.map(({ prefix }) => nameOf(repository, prefix, canonical)),
    };
  };
}

function restOf(namespace: RepositoryName, repository: RepositoryName): string {
  if (repository === namespace) return '';
  if (!repository.startsWith(`${namespace}/`)) throw nameUnknown(repository);
  return repository.slice(namespace.length + 1);
}

function nameOf(asked: RepositoryName, ...parts: readonly string[]): RepositoryName {
  const text = parts.filter((part) => part !== '').join('/');
  const name = tryParseRepository(text);
  if (name) return name;
  // The namespace alone, of an upstream without a prefix: it is a shelf, not a repository.
  if (text === '') throw nameUnknown(asked);
  throw new RegistryError(
    'NAME_INVALID',
    `"${text.slice(0, 80)}", which ${asked} stands for, is not a repository name`,
    {
      hint: 'name and prefix together have at most 255 characters',
    },
  );
}
