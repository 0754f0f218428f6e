import type { RepositoryName } from '#core/oci';
import type { Principal } from '#core/registry';
import { compileGlob, type Matcher } from '#core/std';

/** What somebody does to a repository. */
export type Action = 'pull' | 'push' | 'delete';
export const ACTIONS: readonly Action[] = ['pull', 'push', 'delete'];

/** Who asks, and who may what. The server knows no more of access than this. */
export type Access = {
  /** Throws UNAUTHORIZED when credentials were given that are not good. */
  identify(request: Request): Principal | Promise<Principal>;
  /** A plain boolean where it can be told at once: a pull should not wait for a turn of the event loop. */
  authorize(principal: Principal, action: Action, repository: RepositoryName): boolean | Promise<boolean>;
};

/** `repositories` are globs on the full name. */
export type AccessRule = { readonly repositories: readonly string[]; readonly actions: readonly Action[] };

export type StaticAccessOptions = {
  /** What anybody may do. `loopback-default`: everything, for a server that only this machine reaches. */
  readonly anonymous: readonly AccessRule[] | 'loopback-default';
};

const ANONYMOUS: Principal = { kind: 'anonymous', name: 'anonymous' };

/**
 * Access as the configuration says it, without credentials. Whoever is refused gets DENIED (403) and no challenge:
 * there is nothing to log in with, and a challenge would make clients ask for a password in vain.
 */
export function createStaticAccess({ anonymous }: StaticAccessOptions): Access {
  if (anonymous === 'loopback-default') return { identify: () => ANONYMOUS, authorize: () => true };
  const matchers = new Map<Action, Matcher[]>(ACTIONS.map((action) => [action, matchersFor(anonymous, action)]));
  return {
    identify: () => ANONYMOUS,
    authorize: (_principal, action, repository) =>
      matchers.get(action)?.some((matches) => matches(repository)) ?? false,
  };
}

function matchersFor(rules: readonly AccessRule[], action: Action): Matcher[] {
  return rules.filter((rule) => rule.actions.includes(action)).flatMap((rule) => rule.repositories.map(compileGlob));
}
