import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { program } from './need.ts';
import { type Finished, run, startDaemon } from './process.ts';

export type Containerd = {
  /** `ctr` against this daemon. */
  readonly ctr: (...args: string[]) => Promise<Finished>;
  /** Arguments that make it reach the registry as its own configuration would. */
  readonly hosts: readonly string[];
  readonly stop: () => Promise<number>;
};

/** A containerd of one's own: root, state and socket below `folder`, plain HTTP to one registry. */
export async function startContainerd(folder: string, registryHost: string): Promise<Containerd> {
  const socket = join(folder, 'c.sock');
  const hostsDir = join(folder, 'certs.d');
  mkdirSync(join(hostsDir, registryHost), { recursive: true });
  writeFileSync(
    join(hostsDir, registryHost, 'hosts.toml'),
    `server = "http://${registryHost}"\n[host."http://${registryHost}"]\n  capabilities = ["pull", "resolve", "push"]\n`,
  );
  writeFileSync(
    join(folder, 'config.toml'),
    `version = 2
root = "${join(folder, 'root')}"
state = "${join(folder, 'state')}"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "${socket}"
[ttrpc]
  address = "${socket}.ttrpc"
`,
  );
  const ctr = (...args: string[]) => run([program('ctr'), '-a', socket, ...args], { cwd: folder });
  const daemon = await startDaemon([program('containerd'), '-c', join(folder, 'config.toml')], {
    logFile: join(folder, 'containerd.log'),
    ready: async () => (await run([program('ctr'), '-a', socket, 'version'], { okCodes: [0, 1] })).code === 0,
  });
  return { ctr, hosts: ['--hosts-dir', hostsDir], stop: daemon.stop };
}
