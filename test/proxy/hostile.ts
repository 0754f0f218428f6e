import { expect } from 'bun:test';
import type { ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { isRegistryError, parseDigest, type RegistryError } from '#core/oci';
import { silentLog, systemClock } from '#core/std';
import { type ClientOptions, createClient, fixedCredentials } from '#registries/client';
import { createUpstream, type Upstream } from '#registries/proxy';
import { CALL, REPOSITORY, V1 } from '../../src/registries/client/client.fake.ts';

const FETCH: ClientOptions['fetch'] = (url, init) => fetch(url, init);

/** The reader of a proxy, for a registry at `host`. */
export function governed(host: string, options: Partial<ClientOptions> = {}): Upstream {
  const clock = systemClock();
  const client = createClient({
    host,
    insecure: true,
    fetch: FETCH,
    clock,
    random: () => 0.5,
    credentials: fixedCredentials({ [host]: { username: 'joe', password: 's3:cret' } }),
    timeouts: { responseMs: 3000, idleMs: 3000 },
    retry: { attempts: 1 },
    onLimit: 'tell',
    ...options,
  });
  return createUpstream({ host, accounts: [{ name: 'joe', client }], clock, random: () => 0.5, log: silentLog() });
}

/** What an attack ends in; and that it ended: nothing is held, and nobody is taken for dead. */
export async function refusalOf(upstream: Upstream, attack: Promise<unknown>): Promise<RegistryError> {
  const thrown: unknown = await attack.then(
    () => undefined,
    (reason) => reason,
  );
  if (!isRegistryError(thrown)) throw new Error(`no RegistryError, but ${String(thrown)}`);
  expect(upstream.state()).toMatchObject({ active: 0, waiting: 0, breaker: { state: 'closed' } });
  return thrown;
}

export const manifestOf = ({ reader }: Upstream) => reader.getManifest(REPOSITORY, V1, CALL);
export async function blobOf({ reader }: Upstream, digest: string): Promise<Uint8Array> {
  const { value } = await reader.getBlob(REPOSITORY, parseDigest(digest), {}, CALL);
  if (value.kind !== 'stream') throw new Error(`a ${value.kind} where a stream was expected`);
  return new Uint8Array(await new Response(value.body).arrayBuffer());
}

/** Sends until nobody listens, and counts what left. */
export function endless(response: ServerResponse, chunk: Uint8Array): { sentBytes: number } {
  const count = { sentBytes: 0 };
  const more = () => {
    while (!response.destroyed) {
      count.sentBytes += chunk.byteLength;
      if (!response.write(chunk)) return;
    }
  };
  response.on('drain', more);
  response.on('error', () => {});
  more();
  return count;
}

/** A server that says byte for byte what it likes, once for each connection. */
export async function rawServer(answer: (socket: Socket) => void): Promise<{ host: string; stop: () => void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () => answer(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    stop: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
