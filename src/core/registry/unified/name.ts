import { parseRepository, type RepositoryName } from '#core/oci';
import { compileGlob } from '#core/std';
import { nameUnknown } from '../answer.ts';
import type { Member } from './types.ts';

/** Names of a namespace and what stands below it; the namespace itself is a legal name, with nothing below; the empty one has all. */
export type Naming = {
  /** Undefined: the name is not of this namespace. */
  below(repository: RepositoryName): string | undefined;
  full(below: string): RepositoryName;
};

export function namingOf(namespace: string): Naming {
  const prefix = namespace === '' ? '' : `${namespace}/`;
  return {
    below(repository) {
      if (repository.startsWith(prefix)) return repository.slice(prefix.length);
      return repository === namespace ? '' : undefined;
    },
    full: (below) => parseRepository(below === '' ? namespace : prefix + below),
  };
}

/** A member with its rules compiled. */
export type Shown = Member & { readonly naming: Naming; shows(below: string): boolean };

export function shownMember(member: Member): Shown {
  const allow = member.allow.map((glob) => compileGlob(glob));
  const deny = member.deny.map((glob) => compileGlob(glob));
  const { meanings = (below) => [below] } = member;
  return {
    ...member,
    naming: namingOf(member.namespace),
    shows: (below) =>
      meanings(below).every(
        (name) =>
          (allow.length === 0 || allow.some((matches) => matches(name))) && !deny.some((matches) => matches(name)),
      ),
  };
}

/** What of a virtual name stands below the namespace. Throws NAME_UNKNOWN. */
export function belowOf(naming: Naming, repository: RepositoryName): string {
  const below = naming.below(repository);
  if (below === undefined) throw nameUnknown(repository);
  return below;
}
