import { parsePlatform, type RepositoryName, type TagName } from '#core/oci';
import type { FreshnessRule, ProxyRules, TagFreshness } from '#registries/proxy';
import { listOf, type ProxyConfig, parseKept } from '#surface/config';
import { durationOf } from './duration.ts';

/** The rules of a proxy namespace, as its wrapper reads them. */
export function proxyRules(config: ProxyConfig): ProxyRules {
  return {
    freshness: {
      freshForMs: durationOf(config.freshFor),
      staleWhileRevalidateMs: durationOf(config.staleWhileRevalidate),
      staleIfErrorMs: durationOf(config.staleIfError),
      negativeForMs: durationOf(config.negativeFor),
      immutable: false,
      offline: config.offline,
    },
    byTag: config.freshness.map(tagFreshness),
    allow: config.allow,
    deny: config.deny,
    neverUpstream: config.neverUpstream,
    platforms: config.platforms.map(parsePlatform),
    whenDeleted: config.whenDeleted,
  };
}

type WrittenRule = ProxyConfig['freshness'][number];

const DURATIONS = {
  freshFor: 'freshForMs',
  staleWhileRevalidate: 'staleWhileRevalidateMs',
  staleIfError: 'staleIfErrorMs',
  negativeFor: 'negativeForMs',
} as const satisfies Partial<Record<keyof WrittenRule, keyof FreshnessRule>>;

function tagFreshness(written: WrittenRule): TagFreshness {
  const durations = Object.entries(DURATIONS).flatMap(([key, ruleKey]) => {
    const text = written[key as keyof typeof DURATIONS];
    return text === undefined ? [] : [[ruleKey, durationOf(text)] as const];
  });
  return {
    tags: listOf(written.tags),
    ...Object.fromEntries(durations),
    ...(written.immutable === undefined ? {} : { immutable: written.immutable }),
    ...(written.offline === undefined ? {} : { offline: written.offline }),
  };
}

/** Whether a tag of the namespace is one of those that no want of room drops. */
export function pinnedBy(
  namespace: string,
  { keep }: ProxyConfig,
): (repository: RepositoryName, tag: TagName | undefined) => boolean {
  const kept = keep.map(parseKept);
  return (repository, tag) => {
    const below = repository.slice(namespace.length + 1);
    return kept.some((isKept) => isKept(below, tag));
  };
}
