import type { RegistryRequest, RepositoryName } from '#core/oci';
import type { Call } from '#core/registry';

/** What a token is asked for. Source: distribution docs/content/spec/auth/scope.md. */
export type Scope = { readonly type: string; readonly name: string; readonly actions: readonly string[] };

const READ = ['pull'] as const;
const WRITE = ['pull', 'push'] as const;

/** The scopes of a request; whoever is going to push asks for all of it with the first token. */
export function scopesOf(
  request: RegistryRequest,
  call: Call,
  pushes: (repository: RepositoryName) => boolean,
): Scope[] {
  switch (request.kind) {
    case 'ping':
      return [];
    case 'catalog':
      return [{ type: 'registry', name: 'catalog', actions: ['*'] }];
    case 'manifestDelete':
    case 'blobDelete':
      return [repositoryScope(request.repository, ['delete'])];
    case 'manifestGet':
    case 'manifestHead':
    case 'blobGet':
    case 'blobHead':
    case 'tags':
    case 'referrers': {
      const wide = call.purpose === 'push' || pushes(request.repository);
      return [repositoryScope(request.repository, wide ? WRITE : READ)];
    }
    case 'blobMount': {
      const own = repositoryScope(request.repository, WRITE);
      if (request.from === undefined || request.from === request.repository) return [own];
      return [own, repositoryScope(request.from, READ)];
    }
    default:
      return [repositoryScope(request.repository, WRITE)];
  }
}

function repositoryScope(name: RepositoryName, actions: readonly string[]): Scope {
  return { type: 'repository', name, actions };
}

function formatScope(scope: Scope): string {
  return `${scope.type}:${scope.name}:${scope.actions.join(',')}`;
}

export function formatScopes(scopes: readonly Scope[]): string[] {
  return scopes.map(formatScope).sort();
}

/** Whether what a token was asked for is enough for `needed`. */
export function covers(held: readonly Scope[], needed: readonly Scope[]): boolean {
  return needed.every((need) =>
    held.some(
      (scope) =>
        scope.type === need.type &&
        scope.name === need.name &&
        need.actions.every((action) => scope.actions.includes(action)),
    ),
  );
}

/** A challenge asks for some scopes; more are somebody else's idea. */
const MAX_CHALLENGE_SCOPES = 4;
const MAX_CHALLENGE_SCOPE_LENGTH = 1024;

/**
 * Scopes for the token server: ours, and those of the challenge where it names others
 * (products that know a repository by another name, or use words of their own such as `aws`).
 */
export function scopesToAsk(needed: readonly Scope[], challenged: string | undefined): string[] {
  const texts = formatScopes(needed);
  if (challenged === undefined || challenged.length > MAX_CHALLENGE_SCOPE_LENGTH) return texts;
  const foreign = challenged.split(' ').filter((text) => text !== '' && !isCovered(text, needed));
  return [...texts, ...foreign.slice(0, MAX_CHALLENGE_SCOPES)];
}

function isCovered(text: string, needed: readonly Scope[]): boolean {
  const colon = text.indexOf(':');
  const last = text.lastIndexOf(':');
  if (colon < 0 || last <= colon) return false;
  const scope = {
    type: text.slice(0, colon),
    name: text.slice(colon + 1, last),
    actions: text.slice(last + 1).split(','),
  };
  return covers(needed, [scope]);
}
