import type { Socket } from 'bun';
import { classify, type Exchange, type Summary, summarize } from './count.ts';
import { createFrames, type Frames, requestBody, responseBody } from './frames.ts';

/**
 * A reverse proxy that counts: it passes bytes on as they are (so lengths, chunks and `Host` stay the client's and
 * the server's own) and reads the HTTP framing on the way. Both sides are loopback and plain HTTP/1.1.
 */
export type CountingProxy = {
  /** `127.0.0.1:port`, as a registry host. */
  readonly host: string;
  /** Requests answered so far, and those that were cut (status 0). */
  readonly exchanges: () => readonly Exchange[];
  readonly summary: () => Summary;
  /** Everything that went over the wire, with headers and chunk framing. */
  readonly wireBytes: () => { readonly sent: number; readonly received: number };
  readonly reset: () => void;
  readonly stop: () => void;
};

type Open = { method: string; path: string; status: number; sentBytes: number; receivedBytes: number };
/** `early`: read before the other side was connected; `pending`: not written yet; `ended`: the other side is gone. */
type Side = {
  peer: Socket<Side> | undefined;
  early: Uint8Array[];
  pending: Uint8Array[];
  ended: boolean;
  readonly saw: (bytes: Uint8Array) => void;
  readonly closed: () => void;
};
type Watch = Pick<Side, 'saw' | 'closed'>;

export function startCountingProxy(target: { readonly hostname: string; readonly port: number }): CountingProxy {
  let done: Exchange[] = [];
  let wire = { sent: 0, received: 0 };
  const sockets = new Set<Socket<Side>>();

  function record(open: Open): void {
    done.push({ ...open, class: classify(open.path) });
  }

  function sides(): { client: Side; server: Side } {
    const waiting: Open[] = [];
    const requests = watchRequests(waiting);
    const responses = watchResponses(waiting, record);
    const client = side({
      saw: (bytes) => {
        wire.sent += bytes.length;
        requests.push(bytes);
      },
      closed: () => undefined,
    });
    const server = side({
      saw: (bytes) => {
        wire.received += bytes.length;
        responses.push(bytes);
      },
      closed: () => {
        responses.close();
        for (const open of waiting.splice(0)) record(open);
      },
    });
    return { client, server };
  }

  const handlers = {
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

  const listener = Bun.listen<Side>({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      ...handlers,
      open(client): void {
        const pair = sides();
        client.data = pair.client;
        sockets.add(client);
        connect(client, pair.server);
      },
    },
  });

  function connect(client: Socket<Side>, data: Side): void {
    Bun.connect<Side>({
      ...target,
      data,
      socket: {
        ...handlers,
        open(server): void {
          sockets.add(server);
          server.data.peer = client;
          client.data.peer = server;
          for (const bytes of client.data.early.splice(0)) if (!send(server, bytes)) client.pause();
          if (client.data.ended) server.end();
        },
      },
    }).catch(() => client.end());
  }

  return {
    host: `127.0.0.1:${listener.port}`,
    exchanges: () => done,
    summary: () => summarize(done),
    wireBytes: () => wire,
    reset: () => {
      done = [];
      wire = { sent: 0, received: 0 };
    },
    stop: () => {
      listener.stop(true);
      for (const socket of sockets) socket.terminate();
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

function watchRequests(waiting: Open[]): Frames {
  return createFrames({
    head: (start, headers) => {
      const [method = '', path = ''] = start.split(' ');
      waiting.push({ method, path, status: 0, sentBytes: 0, receivedBytes: 0 });
      return requestBody(headers);
    },
    body: (bytes) => {
      const open = waiting.at(-1);
      if (open) open.sentBytes += bytes;
    },
    end: () => undefined,
  });
}

function watchResponses(waiting: Open[], record: (open: Open) => void): Frames {
  let interim = false;
  return createFrames({
    head: (start, headers) => {
      const status = Number(start.split(' ')[1]);
      interim = status < 200;
      const open = waiting[0];
      if (open) open.status = status;
      return responseBody(open?.method ?? 'GET', status, headers);
    },
    body: (bytes) => {
      const open = waiting[0];
      if (open) open.receivedBytes += bytes;
    },
    end: () => {
      const open = interim ? undefined : waiting.shift();
      if (open) record(open);
    },
  });
}
