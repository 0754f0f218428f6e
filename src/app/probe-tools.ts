import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { ProbeTools } from '#registries/proxy';
import type { Way } from './clients.ts';
import type { Machine } from './machine.ts';

/** A person looks on, and a firewall that drops packets never answers. */
const CONNECT_MS = 10_000;

/** The steps of a probe with the machine's own resolver, sockets and certificates. */
export function probeTools({ ca, proxy }: Way, machine: Pick<Machine, 'fetch'>): ProbeTools {
  return {
    lookup: async (hostname) => (await lookup(hostname, { all: true })).map(({ address }) => address),
    async connect(host, port) {
      const socket = connectTcp({ host, port });
      await established(socket, 'connect');
      socket.destroy();
    },
    async tlsConnect(host, port, servername) {
      // Of an address there is no server name (RFC 6066 section 3); the certificate is held against the address itself.
      const name = isIP(servername) === 0 ? { servername } : {};
      const socket = connectTls({ host, port, ...name, ...(ca === undefined ? {} : { ca }) });
      await established(socket, 'secureConnect');
      const fact = tlsFact(socket);
      socket.destroy();
      return fact;
    },
    async ask(url) {
      const tls = ca === undefined ? {} : { tls: { ca } };
      const init: BunFetchRequestInit = { redirect: 'manual', ...tls, ...(proxy === undefined ? {} : { proxy }) };
      const response = await machine.fetch(url, init);
      await response.body?.cancel();
      return { status: response.status, authenticate: response.headers.get('www-authenticate') };
    },
  };
}

async function established(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.setTimeout(CONNECT_MS, () => {
    reject(Object.assign(new Error(`no answer in ${CONNECT_MS / 1000} s`), { code: 'ETIMEDOUT' }));
  });
  socket.once(event, () => resolve());
  socket.once('error', reject);
  socket.once('close', () => reject(Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' })));
  try {
    await promise;
  } catch (thrown) {
    socket.destroy();
    throw thrown;
  }
}

function tlsFact(socket: TLSSocket) {
  const { issuer, valid_to: validTo } = socket.getPeerCertificate();
  const protocol = socket.getProtocol();
  const by = issuer?.O ?? issuer?.CN;
  const validToMs = Date.parse(validTo ?? '');
  return {
    ...(protocol === null ? {} : { protocol }),
    ...(typeof by === 'string' ? { issuer: by } : {}),
    ...(Number.isNaN(validToMs) ? {} : { validToMs }),
  };
}
