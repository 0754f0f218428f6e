import { type Config, listOf, tryParseListen, upstreamPlace } from '#surface/config';
import type { NameRule, NameTable } from '#surface/server';
import type { App } from './compose.ts';
import { canonicalBy } from './namespaces.ts';
import { proxyEntries } from './proxies.ts';

/** By which other names clients may ask for what is here: `?ns=`, hosts of namespaces, `hub/redis`. */
export function nameTable({ config, proxyOf }: Pick<App, 'config' | 'proxyOf'>): NameTable {
  return {
    byNs: byUpstream(config),
    byHost: Object.fromEntries(
      Object.entries(config.namespaces ?? {}).flatMap(([namespace, { hosts }]) =>
        hosts.flatMap((host) => spellings(host, config).map((spelling) => [spelling, namespace])),
      ),
    ),
    own: config.server.url === undefined ? [] : [new URL(config.server.url).host],
    canonical: canonicalBy(proxyOf),
  };
}

function byUpstream(config: Config): Record<string, readonly NameRule[]> {
  const rules = proxyEntries(config).flatMap(([namespace, { upstream }]) =>
    listOf(upstream).map((text) => ({ ...upstreamPlace(text), namespace })),
  );
  const byHost = Object.groupBy(rules, ({ host }) => host);
  return Object.fromEntries(
    Object.entries(byHost).map(([host, list = []]) => [
      host,
      // Of equal prefixes the first in the file wins: the sort keeps their order.
      list
        .map(({ prefix, namespace }) => ({ prefix, namespace }))
        .toSorted((a, b) => b.prefix.length - a.prefix.length),
    ]),
  );
}

/** Clients write the port into Host where it is not the usual one; the file need not. */
function spellings(host: string, { server }: Config): string[] {
  const name = host.toLowerCase();
  if (/:\d+$/.test(name)) return [name];
  const ports = [tryParseListen(server.listen)?.port, server.url === undefined ? undefined : new URL(server.url).port];
  return [name, ...ports.filter((port) => port !== undefined && port !== '').map((port) => `${name}:${port}`)];
}
