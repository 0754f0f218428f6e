import { compileGlob } from '#core/std';
import { wrong } from './finding.ts';
import type { Finding } from './issue.ts';
import { listOf, type MemberConfig, memberOf } from './namespace.ts';
import type { Config } from './schema.ts';
import { unfitPatterns } from './unfit-pattern.ts';

/** What is allowed and may still not be meant. */
export function warningsOf(config: Config): Finding[] {
  const proxies = Object.entries(config.namespaces ?? {}).flatMap(([name, entry]) =>
    entry.type === 'proxy' ? unfitPatterns(name, entry) : [],
  );
  return [...narrowMembers(config), ...sameUpstreams(config), ...proxies];
}

/** Clients that name the registry alone (`?ns=`) reach one of two. */
function sameUpstreams({ namespaces }: Config): Finding[] {
  const firstOf = new Map<string, string>();
  return Object.entries(namespaces ?? {}).flatMap(([name, namespace]) => {
    if (namespace.type !== 'proxy') return [];
    return listOf(namespace.upstream).flatMap((upstream) => {
      const first = firstOf.get(upstream);
      firstOf.set(upstream, first ?? name);
      if (first === undefined) return [];
      const message = `${upstream} is the upstream of ${first} too: clients that ask with ?ns= are answered by ${first}`;
      return [wrong(['namespaces', name, 'upstream'], message)];
    });
  });
}

/** Whoever may pull a virtual namespace sees what its members show there. */
function narrowMembers({ namespaces, access }: Config): Finding[] {
  const rules = access?.anonymous.filter(({ actions }) => actions.includes('pull')) ?? [];
  const globs = rules.flatMap(({ repositories }) => repositories);
  const isOpen = matcherOf(globs);
  return Object.entries(namespaces ?? {}).flatMap(([name, namespace]) => {
    if (namespace.type !== 'virtual') return [];
    const probes = globs.flatMap((glob) => probesOf(glob, name)).filter((below) => isOpen(`${name}/${below}`));
    return namespace.members.flatMap((written, index) => {
      const member = memberOf(written);
      const isNarrower = probes.some((below) => shows(member, below) && !isOpen(`${member.namespace}/${below}`));
      if (!isNarrower) return [];
      const message = `anybody may pull ${name}, and with it all of ${member.namespace} that it shows; access.anonymous does not open ${member.namespace} itself`;
      return [wrong(['namespaces', name, 'members', index], message)];
    });
  });
}

/** Names below a namespace that a glob may open: one for each wildcard's reach is enough to tell narrow from wide. */
function probesOf(glob: string, namespace: string): string[] {
  const plain = (text: string) => text.replaceAll('**', 'any/name').replaceAll('*', 'any').replaceAll('?', 'x');
  if (glob.startsWith(`${namespace}/`)) return [plain(glob.slice(namespace.length + 1))];
  return ['any', 'any/name'];
}

function shows({ allow, deny }: MemberConfig, below: string): boolean {
  return !matcherOf(deny)(below) && (allow.length === 0 || matcherOf(allow)(below));
}

function matcherOf(globs: readonly string[]): (text: string) => boolean {
  const matchers = globs.map((glob) => compileGlob(glob));
  return (text) => matchers.some((matches) => matches(text));
}
