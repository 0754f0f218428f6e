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
};

export type EntrepotOptions = {
  readonly folder: string;
  /** Default: a free one. A restart passes the one it had. */
  readonly port?: number;
  /** More of the configuration, as YAML with top-level keys. */
  readonly config?: string;
  /** Where the content goes; default `data` in the folder. */
  readonly storage?: string;
};

/** The program as a user starts it; `ENTREPOT_BIN` names another build of it. */
export function entrepotProgram(): string {
  return process.env.ENTREPOT_BIN ?? join(import.meta.dir, '../../entrepot');
}

export async function startEntrepot(options: EntrepotOptions): Promise<Server> {
  const port = options.port ?? freePort();
  const config = join(options.folder, 'entrepot.yaml');
  mkdirSync(options.folder, { recursive: true });
  writeFileSync(
    config,
    [
      'version: 1',
      `server: { listen: "127.0.0.1:${port}" }`,
      `storage: { path: ${JSON.stringify(options.storage ?? join(options.folder, 'data'))} }`,
      options.config ?? '',
      '',
    ].join('\n'),
  );
  const logFile = join(options.folder, 'entrepot.log');
  const daemon = await startDaemon([entrepotProgram(), 'serve', '--config', config], {
    logFile,
    cwd: options.folder,
    ready: async () => (await fetch(`http://127.0.0.1:${port}/v2/`)).ok,
  });
  return { ...daemon, host: `127.0.0.1:${port}`, port, folder: options.folder };
}

export type PeerOptions = { readonly folder: string; readonly program?: 'registry' | 'docker-registry' };

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
`,
  );
  const daemon = await startDaemon([program(options.program ?? 'registry'), 'serve', config], {
    logFile: join(options.folder, 'distribution.log'),
    env: { OTEL_TRACES_EXPORTER: 'none' },
    ready: async () => (await fetch(`http://127.0.0.1:${port}/v2/`)).ok,
  });
  return { ...daemon, host: `127.0.0.1:${port}`, port, folder: options.folder };
}

/** A port that was free a moment ago. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data: () => undefined } });
  const { port } = listener;
  listener.stop(true);
  return port;
}
