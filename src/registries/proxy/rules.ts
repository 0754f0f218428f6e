import {
  type Descriptor,
  formatPlatform,
  parseDigestTag,
  platformMatches,
  RegistryError,
  type RepositoryName,
  type TagName,
} from '#core/oci';
import { compileGlob, type Matcher, tagMatcher } from '#core/std';
import type { FreshnessRule, ProxyRules } from './types.ts';

/** A rule and what it is called: `freshness`, `freshness[1] (semver)`. */
export type NamedRule = { readonly name: string; readonly rule: FreshnessRule };

/** The rules of a namespace, compiled. */
export type Rules = {
  readonly whenDeleted: ProxyRules['whenDeleted'];
  readonly lists: FreshnessRule;
  /** Of a tag. */
  freshnessOf(tag: TagName): NamedRule;
  /** Why a repository is not to be had through here, by its upstream's name. */
  refusalOf(upstreamName: RepositoryName): Refusal | undefined;
  /** Why a child of an index is not to be had: its platform is none of those wanted. */
  refusesPlatform(child: Descriptor): string | undefined;
  readonly hasPlatforms: boolean;
};

export type Refusal = {
  readonly rule: string;
  readonly message: (repository: string) => string;
  readonly hint: string;
};

/** Tags whose rule is remembered, then all are matched anew: a pattern takes microseconds, a look-up does not. */
const MAX_REMEMBERED_TAGS = 10_000;

/** Throws PATTERN_INVALID. */
export function compileRules(rules: ProxyRules): Rules {
  const freshnessOf = freshnessFinder(rules);
  const remembered = new Map<TagName, NamedRule>();
  return {
    whenDeleted: rules.whenDeleted,
    lists: { ...rules.freshness, immutable: false },
    freshnessOf(tag) {
      const known = remembered.get(tag);
      if (known) return known;
      const found = freshnessOf(tag);
      if (remembered.size >= MAX_REMEMBERED_TAGS) remembered.clear();
      remembered.set(tag, found);
      return found;
    },
    refusalOf: refusalFinder(rules),
    hasPlatforms: rules.platforms.length > 0,
    refusesPlatform({ platform }) {
      // Attestations say "unknown/unknown": they belong to an image, and nobody runs them.
      if (rules.platforms.length === 0 || !platform || platform.os === 'unknown') return undefined;
      if (rules.platforms.some((wanted) => platformMatches(wanted, platform))) return undefined;
      return formatPlatform(platform);
    },
  };
}

function freshnessFinder({ freshness, byTag }: ProxyRules): (tag: TagName) => NamedRule {
  const rows = byTag.map(({ tags, ...overrides }, index) => ({
    matches: tags.map((pattern) => ({ pattern, matches: tagMatcher(pattern) })),
    named: { name: `freshness[${index}] (${tags.join(', ')})`, rule: { ...freshness, ...overrides } },
  }));
  const fallback: NamedRule = { name: 'freshness', rule: freshness };
  return (tag) => {
    const isCompanion = parseDigestTag(tag) !== undefined;
    const row = rows.find(({ matches }) =>
      matches.some((each) => (!isCompanion || namesCompanions(each.pattern)) && each.matches(tag)),
    );
    return row?.named ?? fallback;
  };
}

/** Signatures are added to their tags later: a rule for "*" that calls tags immutable does not mean theirs. */
function namesCompanions(pattern: string): boolean {
  return pattern.startsWith('sha256-') || pattern.startsWith('sha512-');
}

function refusalFinder({ allow, deny, neverUpstream }: ProxyRules): Rules['refusalOf'] {
  const never = compileAll(neverUpstream);
  const denied = compileAll(deny);
  const allowed = compileAll(allow);
  return (name) => {
    const ours = never.find(({ matches }) => matches(name));
    if (ours) return neverRefusal(ours.pattern);
    const match = denied.find(({ matches }) => matches(name));
    if (match) return denyRefusal(match.pattern);
    if (allowed.length === 0 || allowed.some(({ matches }) => matches(name))) return undefined;
    return NOT_ALLOWED;
  };
}

function compileAll(patterns: readonly string[]): { readonly pattern: string; readonly matches: Matcher }[] {
  return patterns.map((pattern) => ({ pattern, matches: compileGlob(pattern) }));
}

function neverRefusal(pattern: string): Refusal {
  return {
    rule: `neverUpstream ${pattern}`,
    message: (repository) =>
      `${repository} is a name of ours, and is never looked for outside (neverUpstream "${pattern}")`,
    hint: 'push it to a hosted namespace; somebody else could publish that name elsewhere',
  };
}

function denyRefusal(pattern: string): Refusal {
  return {
    rule: `deny ${pattern}`,
    message: (repository) => `${repository} is not to be had through here (deny "${pattern}")`,
    hint: 'ask whoever runs this registry to change the rule',
  };
}

const NOT_ALLOWED: Refusal = {
  rule: 'allow',
  message: (repository) => `${repository} is not to be had through here (no pattern of "allow" matches it)`,
  hint: 'ask whoever runs this registry to add it to "allow"',
};

/** A rule's refusal as the client gets it. `detail.rule` is for programs. */
export function refusalError(repository: RepositoryName, refusal: Refusal): RegistryError {
  return new RegistryError('DENIED', refusal.message(repository), {
    detail: { name: repository, rule: refusal.rule },
    hint: refusal.hint,
  });
}
