import { DOCKER_HUB } from '#core/oci';
import { isGlob } from '#core/std';
import { wrong } from './finding.ts';
import { type Finding, nameOf } from './issue.ts';
import { listOf, type ProxyConfig } from './namespace.ts';
import type { Path } from './position.ts';
import { upstreamPlace } from './upstream.ts';

/**
 * Patterns of a proxy namespace that fit no name. A `deny` that denies nothing looks as if it did, and so does a
 * `neverUpstream` that lets everything through.
 */
export function unfitPatterns(name: string, proxy: ProxyConfig): Finding[] {
  const places = listOf(proxy.upstream).map(upstreamPlace);
  const hosts = places.map(({ host }) => host);
  // Names of Docker Hub have two parts; whoever reads below docker.io/vendor sees them with that in front.
  const isHub = places.every(({ host, prefix }) => host === DOCKER_HUB && prefix === '');
  return PATTERN_KEYS.flatMap((key) =>
    proxy[key].flatMap((pattern, index) => {
      const why = unfit(key === 'keep' ? withoutTag(pattern) : pattern, { hosts, isHub });
      const path: Path = ['namespaces', name, key, index];
      return why === undefined ? [] : [wrong(path, `${nameOf(path)}: "${pattern}" fits no name: ${why}`)];
    }),
  );
}

const PATTERN_KEYS = ['allow', 'deny', 'neverUpstream', 'keep'] as const;

type Read = { readonly hosts: readonly string[]; readonly isHub: boolean };

function unfit(pattern: string, { hosts, isHub }: Read): string | undefined {
  if (/[^a-z0-9._/*?-]/.test(pattern)) return 'names have lower-case letters, digits and . _ - / alone';
  if (pattern.startsWith('/') || pattern.endsWith('/')) return 'names neither begin nor end with /';
  const host = hosts.find((one) => pattern.startsWith(`${one}/`));
  if (host !== undefined) return `leave out the host, and write ${pattern.slice(host.length + 1)}`;
  if (!isHub || pattern.includes('/') || pattern.includes('**')) return undefined;
  return `at Docker Hub write library/${pattern}${isGlob(pattern) ? ` or ${pattern}/*` : ''}`;
}

function withoutTag(pattern: string): string {
  const colon = pattern.lastIndexOf(':');
  return colon > pattern.lastIndexOf('/') ? pattern.slice(0, colon) : pattern;
}
