import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import peers from './peers.json';

/** Where `npm run peers` builds them unless ENTREPOT_PEERS says otherwise. */
const ownFolder = join(import.meta.dir, '../../.peers');
type Env = Record<string, string | undefined>;

/** Where a peer was built or installed: `ENTREPOT_PEERS` (a folder, default `.peers`) goes before PATH. */
export function findPeer(name: string, env: Env = { ENTREPOT_PEERS: ownFolder, ...process.env }): string | undefined {
  const folders = [env.ENTREPOT_PEERS, ...(env.PATH ?? '').split(delimiter)];
  return folders
    .filter((folder): folder is string => folder !== undefined && folder !== '')
    .map((folder) => join(folder, name))
    .find(isProgram);
}

/** How somebody gets it: said when it is missing. */
export function howToGet(name: string): string {
  const go = peers.go.find((peer) => peer.name === name);
  if (go) return `go install ${go.module}@${go.version}`;
  const debian = peers.debian.find((peer) => peer.name === name);
  return debian ? `apt-get install ${debian.package}` : 'not listed in tools/peers/peers.json';
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // Absent or not ours to run: the same answer, look on.
    return false;
  }
}
