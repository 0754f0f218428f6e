import { join, relative } from 'node:path';
import type { Config } from '#surface/config';

/** The longest path that a socket's address holds, on Linux and macOS. Source: unix(7), sun_path. */
export const MOST_SOCKET_PATH_BYTES = 103;

/** Where commands find the server that holds the data folder. */
export function socketPath({ storage }: Config): string {
  return join(storage.path, 'entrepot.sock');
}

/** The shortest way to write the socket's path, or undefined where none is short enough for the system. */
export function socketAddress(config: Config): string | undefined {
  const path = socketPath(config);
  const fromHere = relative(process.cwd(), path);
  const shortest = fromHere.length < path.length ? fromHere : path;
  return Buffer.byteLength(shortest) <= MOST_SOCKET_PATH_BYTES ? shortest : undefined;
}
