import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Call, Registry } from '#core/registry';
import { AppError, systemCodeOf } from '#core/std';
import { createClient } from '#registries/client';
import type { Config } from '#surface/config';
import { apiClient, type Operations } from '#surface/server/api';
import { createClients } from '../clients.ts';
import { type App, compose, systemCall } from '../compose.ts';
import type { Machine } from '../machine.ts';
import { socketAddress } from '../socket.ts';
import type { Shelf } from './image.ts';
import type { OpenedLayout } from './layout-place.ts';
import { createOperations } from './operations.ts';
import type { Place } from './place.ts';

/** What a command works with: this registry's own state, and registries elsewhere. Opened when first asked for. */
export type Session = {
  /** The state in the data folder: asked of the server that holds it, else the folder is taken for this command. */
  operations(): Promise<Operations>;
  /** The registry and repository of a place, wherever it is. */
  shelf(place: Place, role?: 'source' | 'destination'): Promise<Shelf>;
  /** A registry elsewhere. */
  host(name: string): Promise<Registry>;
  readonly call: Call;
  close(): Promise<void>;
};

/** The state in the data folder, in one of the two ways. */
type Local = { readonly operations: Operations; readonly registry: Registry; close(): Promise<void> };

export async function openSession(config: Config, machine: Machine, signal?: AbortSignal): Promise<Session> {
  const clients = createClients(config, machine, 'person');
  const call = systemCall('command', signal);
  const layouts: OpenedLayout[] = [];
  let opening: Promise<Local> | undefined;
  const local = () => {
    opening ??= openLocal(config, machine);
    return opening;
  };
  return {
    call,
    operations: async () => (await local()).operations,
    host: (name) => clients.get(name, 'source'),
    async shelf(place, role = 'source') {
      if (place.kind === 'local') return { registry: (await local()).registry, repository: place.repository, call };
      if (place.kind === 'host')
        return { registry: await clients.get(place.host, role), repository: place.repository, call };
      const { openLayoutPlace } = await import('./layout-place.ts');
      const opened = await openLayoutPlace({ ...place, path: resolve(machine.cwd, place.path) }, role);
      layouts.push(opened);
      const { registry, repository, finish, roots } = opened;
      return { registry, repository, finish, call, ...(role === 'source' ? { roots } : {}) };
    },
    async close() {
      for (const layout of layouts) await layout.close();
      await (await opening)?.close();
    },
  };
}

async function openLocal(config: Config, machine: Machine): Promise<Local> {
  const socket = socketAddress(config);
  if (socket !== undefined && (await isServing(socket))) return remoteLocal(socket, machine);
  return ownLocal(await compose(config, machine, { writer: 'inline' }));
}

function ownLocal(app: App): Local {
  return { operations: createOperations(app, () => undefined), registry: app.registry, close: app.close };
}

/** Over the socket of a server on this machine: its API, and its registry with all rights. */
function remoteLocal(socket: string, machine: Machine): Local {
  const overSocket = (url: string, init: BunFetchRequestInit) => fetch(url, { ...init, unix: socket });
  return {
    operations: apiClient((path, init) =>
      overSocket(`http://localhost${path}`, { ...init, timeout: false } as BunFetchRequestInit),
    ),
    registry: createClient({
      host: 'localhost',
      insecure: true,
      fetch: overSocket,
      clock: machine.clock,
      random: Math.random,
      pushes: () => true,
    }),
    close: async () => {},
  };
}

const NOBODY_THERE = ['ENOENT', 'ENOTDIR', 'ECONNREFUSED', 'FailedToOpenSocket', 'ConnectionRefused'];

/** Whether a server answers on a socket; a file that a dead one left behind refuses connections. */
async function isServing(socket: string): Promise<boolean> {
  try {
    if (!(await stat(socket)).isSocket()) return false;
    return (await fetch('http://localhost/healthz', { unix: socket })).ok;
  } catch (thrown) {
    const code = systemCodeOf(thrown);
    if (code === 'EACCES') {
      throw new AppError('STORE_UNUSABLE', `the socket ${socket} belongs to somebody else`, {
        why: 'the system does not let this user open it (EACCES)',
        hint: 'run this as the user that runs the server',
      });
    }
    if (code !== undefined && NOBODY_THERE.includes(code)) return false;
    throw thrown;
  }
}
