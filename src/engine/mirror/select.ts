import { parseDigestTag, parseRepository, type RepositoryName, type TagName } from '#core/oci';
import { compileGlob, isGlob, type Matcher, semverRange, tagMatcher } from '#core/std';
import type { MirrorEndpoint, MirrorSpec, TagRules } from './types.ts';

export type TagSelection = {
  readonly tags: readonly TagName[];
  /** Tags that were named and are not there. */
  readonly missing: readonly string[];
};

/** Compiles tag rules. Tags made of a digest are never selected: they follow their image. Throws PATTERN_INVALID. */
export function tagSelector({ include = [], exclude = [], semver }: TagRules) {
  const wanted: Matcher[] = include.map(tagMatcher);
  if (semver !== undefined) wanted.push(semverRange(semver));
  const unwanted = exclude.map(tagMatcher);
  const named = include.filter((rule) => !isGlob(rule) && rule !== 'semver' && !rule.startsWith('semver:'));
  const isSelected = (tag: string) =>
    parseDigestTag(tag) === undefined &&
    (wanted.length === 0 || wanted.some((matches) => matches(tag))) &&
    !unwanted.some((matches) => matches(tag));
  return {
    select(tags: readonly TagName[]): TagSelection {
      const there = new Set<string>(tags);
      return { tags: tags.filter(isSelected), missing: named.filter((tag) => !there.has(tag)) };
    },
  };
}

export type RepositoryRules = {
  /** Named exactly; full names at the source. */
  readonly exact: readonly RepositoryName[];
  /** There are globs: the source must list its repositories. */
  readonly needsCatalog: boolean;
  /** Whether a full name at the source is meant by a glob. */
  readonly matches: (repository: string) => boolean;
};

/** Reads repository rules, which stand below the source's prefix. Throws NAME_INVALID, PATTERN_INVALID. */
export function repositoryRules({ repositories }: MirrorSpec, source: MirrorEndpoint): RepositoryRules {
  const globs = repositories.filter(isGlob).map((glob) => compileGlob(join(source.prefix, glob)));
  return {
    exact: repositories.filter((name) => !isGlob(name)).map((name) => parseRepository(join(source.prefix, name))),
    needsCatalog: globs.length > 0,
    matches: (repository) => globs.some((matches) => matches(repository)),
  };
}

/** A source repository's name at a destination. Throws NAME_INVALID. */
export function repositoryAt(
  repository: RepositoryName,
  {
    source,
    destination,
    rewrite = '{path}',
  }: { source: MirrorEndpoint; destination: MirrorEndpoint; rewrite?: string | undefined },
): RepositoryName {
  const path = source.prefix === '' ? repository : repository.slice(source.prefix.length + 1);
  const name = path.slice(path.lastIndexOf('/') + 1);
  return parseRepository(join(destination.prefix, rewrite.replaceAll('{path}', path).replaceAll('{name}', name)));
}

function join(prefix: string, name: string): string {
  return prefix === '' ? name : `${prefix}/${name}`;
}
