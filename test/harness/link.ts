import type { Socket } from 'bun';
import type { Exchange } from './exchange.ts';
import type { Fault, Tamper } from './fault.ts';
import type { Frames } from './frames.ts';

export type Open = { -readonly [Field in keyof Exchange]: Exchange[Field] };
/** One connection of a client, and the one to the server that belongs to it. */
export type Link = {
  readonly client: Socket<Side>;
  server: Socket<Side> | undefined;
  readonly requests: Frames;
  readonly responses: Frames;
  /** What is asked and not answered to its end. */
  current: { readonly open: Open; readonly fault: Fault; readonly tamper: Tamper | undefined } | undefined;
  /** Of a request that waits: for its head, its latency, or the connection to the server. */
  held: Uint8Array[];
  waits: boolean;
  /** The request that is current is here to its end. */
  asked: boolean;
  hangs: boolean;
};
/** `pending`: not written yet; `ended`: closed as soon as that is written. */
export type Side = { link: Link | undefined; pending: Uint8Array[]; ended: boolean; braked: boolean };

export const newSide = (link?: Link): Side => ({ link, pending: [], ended: false, braked: false });

/** Passing on from one side of a link to the other: nothing is read while the other side is behind. */
export function handlers(sockets: Set<Socket<Side>>, data: (link: Link, bytes: Uint8Array) => void) {
  return {
    data(socket: Socket<Side>, bytes: Uint8Array): void {
      if (socket.data.link) data(socket.data.link, bytes);
    },
    drain(to: Socket<Side>): void {
      if (!flush(to)) return;
      const from = peerOf(to);
      if (from && !from.data.braked) from.resume();
    },
    close(socket: Socket<Side>): void {
      sockets.delete(socket);
      socket.data.ended = true;
      const { link } = socket.data;
      if (link && socket === link.server) link.responses.close();
      const peer = peerOf(socket);
      if (peer && !(link?.hangs && peer === link.client)) end(peer);
    },
    error(socket: Socket<Side>): void {
      // A reset by either side: the other one is told by closing.
      socket.terminate();
    },
  };
}

function peerOf(socket: Socket<Side>): Socket<Side> | undefined {
  const { link } = socket.data;
  return socket === link?.client ? link.server : link?.client;
}

/** Ends after what is still to be written. */
export function end(socket: Socket<Side>): void {
  if (socket.data.ended) return;
  socket.data.ended = true;
  socket.resume();
  if (socket.data.pending.length === 0) socket.end();
}

/** Bytes to `to` wait in its own `pending`; false while some do. */
export function send(to: Socket<Side>, bytes: Uint8Array): boolean {
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
  const { pending } = to.data;
  for (let bytes = pending[0]; bytes; bytes = pending[0]) {
    const written = Math.max(0, to.write(bytes));
    if (written < bytes.length) {
      pending[0] = bytes.subarray(written);
      return false;
    }
    pending.shift();
  }
  if (to.data.ended) to.end();
  return true;
}
