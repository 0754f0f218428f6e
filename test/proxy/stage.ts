import { join } from 'node:path';
import { type FaultProxy, type FaultProxyOptions, startFaultProxy } from '../harness/fault-proxy.ts';
import { type Server, startDistribution, startEntrepot } from '../harness/servers.ts';
import { tempFolder } from '../harness/temp.ts';

/** An upstream, a fault proxy in front of it, and `entrepot serve` with the proxy namespace `hub` before that. */
export type Stage = {
  readonly folder: string;
  /** Where content is put; it has everything below the names that the namespace shows. */
  readonly upstream: Server;
  /** What ours takes for the upstream. */
  readonly proxy: FaultProxy;
  readonly ours: Server;
  /** Ours again at the same address, after it has ended. */
  readonly restart: () => Promise<Server>;
};

export type StageOptions = {
  /** Distribution v3, or ours with hosted namespaces, which needs no other program. */
  readonly upstream: 'registry' | 'entrepot';
  /** More of the namespace, as YAML in one line: `freshFor: 1s`. */
  readonly namespace?: string;
  /** What the upstream is called in the configuration; default its address. */
  readonly upstreamName?: string;
  /** More namespaces, a line each. */
  readonly namespaces?: readonly string[];
  readonly link?: Partial<FaultProxyOptions>;
};

export async function withStage(
  name: string,
  options: StageOptions,
  body: (stage: Stage) => Promise<void>,
): Promise<void> {
  const temp = tempFolder(`proxy-${name}`);
  const ends: (() => unknown)[] = [temp.dispose];
  try {
    const upstream = await startUpstream(options.upstream, join(temp.path, 'upstream'));
    ends.unshift(upstream.stop);
    const proxy = startFaultProxy({ port: upstream.port, ...options.link });
    ends.unshift(proxy.stop);
    const place = { folder: join(temp.path, 'ours'), config: stageConfig(proxy.host, options) };
    let server = await startEntrepot(place);
    const { port } = server;
    ends.unshift(() => server.stop());
    await body({
      folder: temp.path,
      upstream,
      proxy,
      get ours() {
        return server;
      },
      restart: async () => {
        server = await startEntrepot({ ...place, port });
        return server;
      },
    });
  } finally {
    for (const end of ends) await end();
  }
}

function startUpstream(kind: StageOptions['upstream'], folder: string): Promise<Server> {
  return kind === 'registry' ? startDistribution({ folder }) : startEntrepot({ folder });
}

function stageConfig(address: string, options: StageOptions): string {
  const { upstreamName = address, namespace, namespaces = [] } = options;
  const more = namespace === undefined ? '' : `, ${namespace}`;
  return [
    'registries:',
    `  "${upstreamName}": { url: "http://${address}", insecure: true }`,
    'namespaces:',
    `  hub: { type: proxy, upstream: "${upstreamName}"${more} }`,
    ...namespaces.map((line) => `  ${line}`),
  ].join('\n');
}
