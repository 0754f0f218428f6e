import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { program } from './need.ts';
import { type Daemon, startDaemon } from './process.ts';

/** A registry process on a loopback port with everything it keeps below one folder. */
export type Server = Daemon & {
  /** `127.0.0.1:port`, as it stands in an image name. */
  readonly host: string;
  readonly port: number;
  readonly folder: string;
  /** Its configuration file. */
  readonly config: string;
};

export type EntrepotOptions = {
  readonly folder: string;
  /** Default: a free one. A restart passes the one it had. */
  readonly port?: number;
  /** More of the configuration, as YAML with top-level keys. */
  readonly config?: string;
  /** Where the content goes; default `data` in the folder. */
  readonly storagePath?: string;
  /** How long content that nothing refers to is kept; default the program's own. */
  readonly gcGrace?: string;
};

/** The program as a user starts it; `ENTREPOT_BIN` names another build of it. */
export function entrepotProgram(): string {
  return process.env.ENTREPOT_BIN ?? join(import.meta.dir, '../../entrepot');
}

export async function startEntrepot(options: EntrepotOptions): Promise<Server> {
  const { port, config, command } = prepareEntrepot(options);
  const daemon = await startDaemon(command, {
    logFile: join(options.folder, 'entrepot.log'),
    cwd: options.folder,
    // As the launcher sets it, and the service in docs/guides/tls.md, for the built program.
    env: { UV_THREADPOOL_SIZE: '8' },
    ready: async () => (await fetch(`http://127.0.0.1:${port}/v2/`)).ok,
  });
  return { ...daemon, host: `127.0.0.1:${port}`, port, folder: options.folder, config };
}

/** Writes the configuration; `command` then serves it. */
export function prepareEntrepot(options: EntrepotOptions): { port: number; config: string; command: string[] } {
  const port = options.port ?? freePort();
  const config = join(options.folder, 'entrepot.yaml');
  mkdirSync(options.folder, { recursive: true });
  const path = JSON.stringify(options.storagePath ?? join(options.folder, 'data'));
  const grace = options.gcGrace === undefined ? '' : `, gcGrace: ${options.gcGrace}`;
  const lines = [
    'version: 1',
    `server: { listen: "127.0.0.1:${port}" }`,
    `storage: { path: ${path}${grace} }`,
    options.config ?? '',
  ];
  writeFileSync(config, `${lines.join('\n')}\n`);
  return { port, config, command: [entrepotProgram(), 'serve', '--config', config] };
}

export type PeerOptions = {
  readonly folder: string;
  readonly program?: 'registry' | 'docker-registry';
  /** Makes it a cache of the registry at this `host:port`, plain HTTP. */
  readonly upstream?: string;
};

/** Distribution v3 (`registry`) or Debian's 2.8 (`docker-registry`), as it comes, with deletes allowed. */
export async function startDistribution(options: PeerOptions): Promise<Server> {
  const port = freePort();
  const config = join(options.folder, 'distribution.yml');
  mkdirSync(options.folder, { recursive: true });
  writeFileSync(
    config,
    `version: 0.1
storage:
  filesystem: { rootdirectory: ${JSON.stringify(join(options.folder, 'data'))} }
  delete: { enabled: true }
http: { addr: "127.0.0.1:${port}" }
${options.upstream === undefined ? '' : `proxy: { remoteurl: "http://${options.upstream}" }\n`}`,
  );
  const daemon = await startDaemon([program(options.program ?? 'registry'), 'serve', config], {
    logFile: join(options.folder, 'distribution.log'),
    env: { OTEL_TRACES_EXPORTER: 'none' },
    ready: async () => (await fetch(`http://127.0.0.1:${port}/v2/`)).ok,
  });
  return { ...daemon, host: `127.0.0.1:${port}`, port, folder: options.folder, config };
}

/** zot as a cache that fetches on demand. It is not among the peers that are installed: used where it is found. */
export async function startZot(options: { readonly folder: string; readonly upstream: string }): Promise<Server> {
  const port = freePort();
  const config = join(options.folder, 'zot.json');
  mkdirSync(options.folder, { recursive: true });
  const registry = { urls: [`http://${options.upstream}`], onDemand: true, tlsVerify: false };
  const content = {
    distSpecVersion: '1.1.1',
    storage: { rootDirectory: join(options.folder, 'data') },
    http: { address: '127.0.0.1', port: String(port) },
    log: { level: 'info' },
    extensions: { sync: { enable: true, registries: [registry] } },
  };
  writeFileSync(config, JSON.stringify(content));
  const daemon = await startDaemon([program('zot'), 'serve', config], {
    logFile: join(options.folder, 'zot.log'),
    ready: async () => (await fetch(`http://127.0.0.1:${port}/v2/`)).ok,
  });
  return { ...daemon, host: `127.0.0.1:${port}`, port, folder: options.folder, config };
}

/** A port that was free a moment ago. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data: () => undefined } });
  const { port } = listener;
  listener.stop(true);
  return port;
}
