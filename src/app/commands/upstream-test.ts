import { type ManifestReference, parseReference, parseTag, RegistryError, type RepositoryName } from '#core/oci';
import { type ProbeRung, probeUpstream } from '#registries/proxy';
import { type Config, listOf, looksLikeHost, namespaceOf } from '#surface/config';
import { createClients } from '../clients.ts';
import { systemCall } from '../compose.ts';
import type { Machine } from '../machine.ts';
import { probeTools } from '../probe-tools.ts';

/** What is tested: a host, and with a repository whether it could be pulled. */
export type TestTarget = {
  readonly host: string;
  readonly repository?: RepositoryName;
  readonly reference?: ManifestReference;
};
export type UpstreamTest = TestTarget & { readonly url: string; readonly rungs: readonly ProbeRung[] };

/** Reads `docker.io`, `docker.io/library/redis` or `docker.io/library/redis:7`. Throws REQUEST_INVALID and others. */
export function parseTestTarget(text: string, namespaces: Config['namespaces'] = {}): TestTarget {
  const bare = text.replace(/^https?:\/\//, '');
  if (bare !== text) {
    throw new RegistryError('REQUEST_INVALID', `"${text}" is a URL`, {
      hint: `write ${bare}; registries."${bare.split('/')[0]}".url and .insecure say how it is reached`,
    });
  }
  const [first = ''] = text.split('/');
  if (!looksLikeHost(first)) {
    throw new RegistryError('REQUEST_INVALID', `"${text}" begins with no host`, {
      hint: hostHint(namespaceOf(namespaces, text) ?? '', text, namespaces),
    });
  }
  // Any repository makes a bare host parse.
  if (!text.includes('/')) return { host: parseReference(`${text}/x/x`).host };
  const { host, repository, tag, digest } = parseReference(text);
  return { host, repository, reference: digest ?? tag ?? parseTag('latest') };
}

/** Whoever names an image as it is here means the registry behind it. */
function hostHint(name: string, text: string, namespaces: NonNullable<Config['namespaces']>): string {
  const entry = namespaces[name];
  if (entry?.type !== 'proxy') {
    return 'write for example docker.io/library/redis; entrepot namespace list shows which hosts are read';
  }
  const [upstream = ''] = listOf(entry.upstream);
  return `${name} is a namespace: entrepot upstream test ${upstream}${text.slice(name.length)}`;
}

/**
 * Goes the way of a pull step by step, as the configuration says. Asks neither a running server nor the data folder: it is
 * most needed where those do not start.
 */
export async function testUpstream(config: Config, machine: Machine, target: TestTarget): Promise<UpstreamTest> {
  const clients = createClients(config, machine, 'person');
  const way = await clients.way(target.host);
  const rungs = await probeUpstream({
    ...target,
    url: way.url,
    ...(way.proxy === undefined ? {} : { proxy: way.proxy }),
    accounts: await clients.accounts(target.host),
    tools: probeTools(way, machine),
    clock: machine.clock,
    call: systemCall('upstream-test'),
  });
  return { ...target, url: way.url.origin, rungs };
}
