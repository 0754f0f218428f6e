import type { RepositoryName } from '#core/oci';
import type { Call, Lister, Reader } from '#core/registry';
import type { Clock, Log } from '#core/std';
import type { BreakerState, ProxyEvent, Quota } from '../types.ts';

/** What a registry said of one account's limit; the client's own word for it. */
export type SeenLimit = {
  readonly limit?: number;
  readonly remaining?: number;
  readonly windowSeconds?: number;
  readonly resetSeconds?: number;
  readonly seenAtMs: number;
};

/** A client as far as an upstream needs it: reads, and what its registry said of limits. */
export type AccountClient = Reader &
  Lister & {
    state(): {
      /** Of the last answer that had any. A new object each time. */
      readonly rateLimit?: SeenLimit;
      /** HTTP requests so far, those for tokens among them. */
      readonly requests?: number;
    };
    /** Whether the registry answers and takes the account: for `probeUpstream`. */
    ping?(call: Call): Promise<void>;
  };

/**
 * One account at an upstream. Its client should leave waiting to us (`onLimit: 'tell'`, two attempts), and let
 * through as many requests at once as `limits.connections` (`quirks.concurrency`).
 */
export type UpstreamAccount = {
  /** The user name, or `anonymous`: stands in messages and metrics. */
  readonly name: string;
  readonly client: AccountClient;
  /** Repositories, named as there, that it is for; the others never see it. Absent: all. Before those for all. */
  readonly serves?: (repository: RepositoryName) => boolean;
};

export type BreakerRules = {
  /** So many failures in a row that mean "it is down" open it. */
  readonly failures: number;
  /** First wait before a probe; it doubles after each that fails. */
  readonly firstProbeMs: number;
  readonly maxProbeMs: number;
};

export type Reserve = {
  /** So many pulls of what an upstream allows are left to others who use the account. */
  readonly pulls: number;
  /** The same for calls of purpose `warm`: pulls that somebody waits for go first. Default: a quarter of the limit more. */
  readonly warmPulls?: number;
};

export type UpstreamLimits = {
  /** Exchanges at once, a blob's until its body ended. A quarter of them is never given to blobs. */
  readonly connections: number;
  /** Calls that wait for a connection; one more is refused. */
  readonly waiting: number;
  /** How long one waits at most. */
  readonly waitMs: number;
  /** Of blobs, all together. Absent: unlimited, and bodies are left as they are. */
  readonly bytesPerSecond?: number;
};

export type UpstreamOptions = {
  /** Its name in references: `docker.io`. */
  readonly host: string;
  /** At least one. */
  readonly accounts: readonly UpstreamAccount[];
  readonly clock: Clock;
  /** A number from 0 up to 1. */
  readonly random: () => number;
  readonly log: Log;
  /** Where quotas, blocks and the breaker outlive the process. Absent: nowhere. */
  readonly memory?: UpstreamMemory;
  readonly observe?: (event: ProxyEvent) => void;
  readonly breaker?: Partial<BreakerRules>;
  readonly reserve?: Partial<Reserve>;
  readonly limits?: Partial<UpstreamLimits>;
};

/** What is known of an upstream between two processes. */
export type RememberedUpstream = { readonly breaker: BreakerState; readonly quotas: readonly Quota[] };

/** Keeps what is known of upstreams. Shared by all of them; closed by whoever made it. */
export type UpstreamMemory = {
  load(host: string): Promise<RememberedUpstream | undefined>;
  /** Nobody waits: the last word for each host is written soon. */
  save(host: string, remembered: RememberedUpstream): void;
  /** Writes what is not yet written. */
  close(): Promise<void>;
};
