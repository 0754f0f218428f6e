import { z } from 'zod';
import { durationText, oneOrMore, sizeText, text, texts } from './field.ts';

/** The kinds of namespaces, which `type` tells apart. */
const hosts = texts().meta({
  description:
    'Host names by which clients reach this namespace alone, without its name in front: for clients that know only a host.',
  examples: [['hub.registry.example.com']],
});

const hosted = z.strictObject({
  type: z.literal('hosted').meta({ description: 'hosted: content is pushed or mirrored here.' }),
  immutableTags: texts().meta({
    description: 'Tags that never move once set: exact names, globs, or "semver".',
    examples: [['semver'], ['v*', 'release']],
  }),
  hosts,
});

/** Durations of a proxy namespace, which a rule for some tags may set otherwise. */
const FRESHNESS = {
  freshFor: 'A tag is given again so long without a question to the upstream',
  staleWhileRevalidate: 'After freshFor, so long: given again at once, while the upstream is asked in the background',
  staleIfError: 'A tag is given again so long when the upstream is down, refuses or limits',
  negativeFor: '"There is no such thing" is given again so long',
} as const;

const tagFreshness = z.strictObject({
  tags: oneOrMore().meta({
    description: 'For which tags: exact names, globs, `semver` (any version) or `semver:RANGE`.',
    examples: ['semver', ['latest', 'edge*']],
  }),
  freshFor: duration(FRESHNESS.freshFor).optional(),
  staleWhileRevalidate: duration(FRESHNESS.staleWhileRevalidate).optional(),
  staleIfError: duration(FRESHNESS.staleIfError).optional(),
  negativeFor: duration(FRESHNESS.negativeFor).optional(),
  immutable: z
    .boolean()
    .optional()
    .meta({ description: 'Such a tag never moves: once it is here the upstream is not asked again.' }),
  offline: z.boolean().optional().meta({ description: 'The upstream is never asked for such a tag.' }),
});

const proxy = z.strictObject({
  type: z.literal('proxy').meta({ description: 'proxy: content of a registry elsewhere, kept here once pulled.' }),
  upstream: oneOrMore().meta({
    description:
      'Host, or host/namespace, to read. Of a list, the next is asked where one does not answer: they must hold the same.',
    examples: ['docker.io', 'quay.io/vendor', ['mirror.internal:5000', 'ghcr.io']],
  }),
  freshFor: duration(FRESHNESS.freshFor)
    .default('10m')
    .describe(`${FRESHNESS.freshFor}. Ten minutes: a moved tag is deployed soon, and a cluster costs few questions.`),
  staleWhileRevalidate: duration(FRESHNESS.staleWhileRevalidate)
    .default('0s')
    .describe(`${FRESHNESS.staleWhileRevalidate}. None: nobody gets a tag that is older than freshFor says.`),
  staleIfError: duration(FRESHNESS.staleIfError)
    .default('30d')
    .describe(`${FRESHNESS.staleIfError}. A month: longer than any outage, and pods must start.`),
  negativeFor: duration(FRESHNESS.negativeFor)
    .default('1m')
    .describe(`${FRESHNESS.negativeFor}. A minute: a mistyped tag asks once, a new one is soon there.`),
  offline: z.boolean().default(false).meta({ description: 'The upstream is never asked: what is here is served.' }),
  whenDeleted: z.enum(['keep', 'forget']).default('keep').meta({
    description:
      'What is here when the upstream has deleted it: served on, as stale, or forgotten. Kept: a deploy must not break because a vendor tidied up.',
  }),
  freshness: z
    .array(tagFreshness)
    .default([])
    .meta({ description: 'Other durations for some tags. The first that fits wins; what it leaves out is as above.' }),
  allow: texts().meta({
    description: 'Globs of names at the upstream that are served; of Docker Hub with `library/`. Empty: all.',
    examples: [['library/*']],
  }),
  deny: texts().meta({ description: 'Globs of names at the upstream that are refused, also where allow fits.' }),
  neverUpstream: texts().meta({
    description: 'Globs of names that are ours alone: never looked for outside, whoever registered them there.',
    examples: [['acme/**']],
  }),
  platforms: texts().meta({
    description: 'Platforms that are served; the index stays as it is. Empty: all.',
    examples: [['linux/amd64', 'linux/arm64']],
  }),
  maxBytes: sizeText()
    .optional()
    .meta({
      description: 'Room for what is kept here; what was used longest ago goes first. Default: no bound.',
      examples: ['200GB', '50GiB'],
    }),
  keep: texts().meta({
    description: 'Images that maxBytes never drops: names below the namespace as globs, with :TAG also as glob.',
    examples: [['library/redis:7*', 'vendor/**']],
  }),
  warm: texts().meta({
    description: 'Images fetched when the server starts: names below the namespace, with a tag or digest.',
    examples: [['library/redis:7']],
  }),
  hosts,
});

const member = z.strictObject({
  namespace: text().meta({ description: 'A namespace of this file.' }),
  allow: texts().meta({ description: 'Globs of names below it that are shown. Empty: all.' }),
  deny: texts().meta({ description: 'Globs of names below it that are not shown.' }),
  whenDown: z.enum(['skip', 'fail']).default('fail').meta({
    description:
      'What its failure means: the failure of the whole, or that the next member answers. fail: the next may hold other content by that name.',
  }),
});

const virtual = z.strictObject({
  type: z.literal('virtual').meta({ description: 'virtual: other namespaces shown as one.' }),
  members: z
    .array(z.union([text(), member]))
    .min(1)
    .meta({
      description: 'Namespaces of this file, asked in this order; the first that has a repository answers for it.',
      examples: [['team', 'hub'], [{ namespace: 'hub', deny: ['acme/**'], whenDown: 'skip' }]],
    }),
  push: text().optional().meta({ description: 'The hosted member that takes pushes. Default: pushes are refused.' }),
  hosts,
});

function duration(what: string) {
  return durationText().meta({ description: `${what}.`, examples: ['10m', '24h', '30d'] });
}

export const namespace = z.discriminatedUnion('type', [hosted, proxy, virtual]);

export type NamespaceConfig = z.output<typeof namespace>;
export type ProxyConfig = z.output<typeof proxy>;
export type VirtualConfig = z.output<typeof virtual>;
export type MemberConfig = z.output<typeof member>;

/** A member as it is written, in full. */
export function memberOf(written: string | MemberConfig): MemberConfig {
  return typeof written === 'string' ? { namespace: written, allow: [], deny: [], whenDown: 'fail' } : written;
}

/** One or a list, as a list. */
export function listOf(written: string | readonly string[]): readonly string[] {
  return typeof written === 'string' ? [written] : written;
}

/** The namespace that a name is in: the longest that begins it. */
export function namespaceOf(
  namespaces: Readonly<Record<string, NamespaceConfig>> | undefined,
  name: string,
): string | undefined {
  const fitting = Object.keys(namespaces ?? {}).filter((key) => name === key || name.startsWith(`${key}/`));
  return fitting.toSorted((left, right) => right.length - left.length)[0];
}
