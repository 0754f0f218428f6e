import type { RepositoryName } from '#core/oci';
import { type Clock, createLimiter, type Limiter } from '#core/std';
import type { Call } from '../types.ts';
import { retryAfterMsOf } from './error.ts';
import { createKeyedLock, type KeyedLock } from './lock.ts';
import { createPresence, type Presence } from './presence.ts';
import { createSourceView, type SourceView } from './source.ts';
import {
  COPY_LIMITS,
  type CopyEndpoint,
  type CopyEvent,
  type CopyKnowledge,
  type CopyLimits,
  type CopyRunOptions,
} from './types.ts';

/** What the images of one run share. */
export type RunContext = {
  readonly source: SourceView;
  readonly call: Call;
  /** The same caller without the signal: for cleaning up after it fired. */
  readonly cleanupCall: Call;
  readonly clock: Clock;
  readonly limits: CopyLimits;
  readonly known: CopyKnowledge;
  readonly presence: Presence;
  readonly blobSlots: Limiter;
  readonly pushSlots: Limiter;
  readonly locks: KeyedLock;
  readonly emit: (event: CopyEvent) => void;
  readonly moved: { bytesRead: number; blobsRead: number };
  /** Whether blobs may still be passed on unwatched. */
  readonly handingOver: { works: boolean };
  /** Makes the repository where pushing does not; once a run. */
  prepare(endpoint: CopyEndpoint, repository: RepositoryName): Promise<void>;
};

export function createContext(options: CopyRunOptions): RunContext {
  const { call, clock, known = {} } = options;
  const { signal: _, ...cleanupCall } = call;
  const limits = { ...COPY_LIMITS, ...options.limits };
  const prepared = new Map<string, Promise<void>>();
  return {
    source: createSourceView({ source: options.source, call, known, limits }),
    call,
    cleanupCall,
    clock,
    limits,
    known,
    presence: createPresence(),
    blobSlots: createLimiter(limits.blobs),
    pushSlots: createLimiter(limits.lookups),
    locks: createKeyedLock(),
    emit: options.onEvent ?? (() => {}),
    moved: { bytesRead: 0, blobsRead: 0 },
    handingOver: { works: true },
    async prepare({ name, registry }, repository) {
      const create = registry.extras.ensureRepository;
      if (!create) return;
      const key = `${name} ${repository}`;
      const made = prepared.get(key) ?? create(repository, call);
      prepared.set(key, made);
      made.catch(() => prepared.delete(key));
      await made;
    },
  };
}

/** How long to wait before try number `attempt + 1`: what the registry asked for, else doubling. */
export function delayMs({ limits }: RunContext, attempt: number, thrown: unknown): number {
  const backoffMs = limits.retryDelayMs * 2 ** (attempt - 1);
  const askedMs = retryAfterMsOf(thrown);
  return askedMs === undefined ? backoffMs : Math.min(Math.max(askedMs, backoffMs), LONGEST_WAIT_MS);
}

/** A registry that asks for more patience than this gets it from the next run. */
const LONGEST_WAIT_MS = 60_000;

export function isSameRegistry(one: CopyEndpoint, other: CopyEndpoint): boolean {
  return one.registry === other.registry || one.name === other.name;
}
