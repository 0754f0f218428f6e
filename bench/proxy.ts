import type { Socket, TCPSocketListener } from 'bun';
import { createMeter, type Meter, type Watch } from './meter.ts';

/**
 * A reverse proxy that counts: it passes bytes on as they are (so lengths, chunks and `Host` stay the client's and
 * the server's own) and reads the HTTP framing on the way. Both sides are loopback and plain HTTP/1.1.
 */
export type CountingProxy = Omit<Meter, 'watch'> & {
  /** `127.0.0.1:port`, as a registry host. */
  readonly host: string;
  readonly stop: () => void;
};

/** `early`: read before the other side was connected; `pending`: not written yet; `ended`: the other side is gone. */
type Side = Watch & {
  peer: Socket<Side> | undefined;
  early: Uint8Array[];
  pending: Uint8Array[];
  ended: boolean;
};

type Target = { readonly hostname: string; readonly port: number };

export function startCountingProxy(target: Target): CountingProxy {
  const { watch, ...meter } = createMeter();
  const sockets = new Set<Socket<Side>>();
  const relay = createRelay(sockets);
  const listener: TCPSocketListener<Side> = Bun.listen<Side>({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      ...relay,
      open(client): void {
        const pair = watch();
        client.data = side(pair.client);
        sockets.add(client);
        Bun.connect<Side>({
          ...target,
          data: side(pair.server),
          socket: { ...relay, open: (server) => join(client, server, sockets) },
        }).catch(() => client.end());
      },
    },
  });
  return {
    ...meter,
    host: `127.0.0.1:${listener.port}`,
    stop: () => {
      listener.stop(true);
      for (const socket of sockets) socket.terminate();
    },
  };
}

/** Both sides are there: what the client said meanwhile goes first. */
function join(client: Socket<Side>, server: Socket<Side>, sockets: Set<Socket<Side>>): void {
  sockets.add(server);
  server.data.peer = client;
  client.data.peer = server;
  for (const bytes of client.data.early.splice(0)) if (!send(server, bytes)) client.pause();
  if (client.data.ended) server.end();
}

function createRelay(sockets: Set<Socket<Side>>) {
  return {
    data(from: Socket<Side>, bytes: Uint8Array): void {
      from.data.saw(bytes);
      const to = from.data.peer;
      if (!to) from.data.early.push(bytes.slice());
      else if (!send(to, bytes)) from.pause();
    },
    drain(to: Socket<Side>): void {
      if (flush(to)) to.data.peer?.resume();
    },
    close(socket: Socket<Side>): void {
      sockets.delete(socket);
      socket.data.closed();
      socket.data.ended = true;
      const peer = socket.data.peer;
      if (!peer) return;
      peer.data.ended = true;
      peer.resume();
      if (peer.data.pending.length === 0) peer.end();
    },
    error(socket: Socket<Side>): void {
      // A reset by either side: the other one is told by closing.
      socket.terminate();
    },
  };
}

function side(watch: Watch): Side {
  return { peer: undefined, early: [], pending: [], ended: false, ...watch };
}

/** Bytes to `to` wait in its own `pending`; false while some do. */
function send(to: Socket<Side>, bytes: Uint8Array): boolean {
  if (to.data.pending.length > 0) {
    to.data.pending.push(bytes.slice());
    return false;
  }
  const written = Math.max(0, to.write(bytes));
  if (written === bytes.length) return true;
  to.data.pending.push(bytes.slice(written));
  return false;
}

function flush(to: Socket<Side>): boolean {
  const { data } = to;
  for (let bytes = data.pending[0]; bytes; bytes = data.pending[0]) {
    const written = Math.max(0, to.write(bytes));
    if (written < bytes.length) {
      data.pending[0] = bytes.subarray(written);
      return false;
    }
    data.pending.shift();
  }
  if (data.ended) to.end();
  return true;
}
