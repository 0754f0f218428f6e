import { isRegistryError, RegistryError, type RepositoryName } from '#core/oci';
import type { Call, Lister, Reader, Served } from '#core/registry';
import type { Clock } from '#core/std';
import type { ProxyEvent } from '../types.ts';
import type { Accounts, AccountWish, Lease } from './accounts.ts';
import type { BreakerGate } from './breaker-gate.ts';
import { heldBlob } from './held-blob.ts';
import { type Outcome, outcomeOf } from './outcome.ts';
import type { Pace } from './pace.ts';
import type { Pool } from './pool.ts';
import type { AccountClient, UpstreamAccount } from './types.ts';

export type ReaderParts = {
  readonly host: string;
  readonly clock: Clock;
  readonly accounts: Accounts;
  readonly gate: BreakerGate;
  readonly pool: Pool;
  readonly pace: Pace | undefined;
  /** What another process left is known from here on. */
  readonly ready: Promise<void>;
  /** Aborts when nobody may ask any more: a question that hangs must not hold up the end of the program. */
  readonly ending: AbortSignal;
  readonly observe: (event: ProxyEvent) => void;
  readonly counts: { bytes: number; pulls: number; calls: number };
};

type Question<T> = {
  readonly operation: string;
  readonly repository?: RepositoryName;
  readonly call: Call;
  readonly ask: (client: AccountClient, call: Call) => Promise<Served<T>>;
};

/** A question under way: its connection, and the one event that tells of it. */
type Exchange<T> = { readonly answer: Served<T>; end(outcome: Outcome, bytes: number): void };

/** Reads of an upstream, each behind its breaker, an account with something left, and a connection of its own. */
export function createReader(parts: ReaderParts): Reader & Lister {
  /** For answers that are whole when they come. */
  const short = async <T>(question: Question<T>, bytesOf: (value: T) => number = () => 0): Promise<Served<T>> => {
    const exchange = await begin(parts, question);
    exchange.end('ok', bytesOf(exchange.answer.value));
    return exchange.answer;
  };
  return {
    resolveManifest: (repository, reference, call) =>
      short({
        operation: 'resolveManifest',
        repository,
        call,
        ask: (client, within) => client.resolveManifest(repository, reference, within),
      }),
    resolveBlob: (repository, digest, call) =>
      short({
        operation: 'resolveBlob',
        repository,
        call,
        ask: (client, within) => client.resolveBlob(repository, digest, within),
      }),
    getManifest: (repository, reference, call) =>
      short(
        {
          operation: 'getManifest',
          repository,
          call,
          ask: (client, within) => client.getManifest(repository, reference, within),
        },
        ({ bytes }) => bytes.byteLength,
      ),
    async getBlob(repository, digest, options, call) {
      const ask = (client: AccountClient, within: Call) => client.getBlob(repository, digest, options, within);
      const exchange = await begin(parts, { operation: 'getBlob', repository, call, ask });
      return {
        ...exchange.answer,
        value: heldBlob(exchange.answer.value, { pace: parts.pace, signal: call.signal, end: exchange.end }),
      };
    },
    repositories: (options, call) =>
      short({ operation: 'repositories', call, ask: (client, within) => client.repositories(options, within) }),
    tags: (repository, options, call) =>
      short({ operation: 'tags', repository, call, ask: (client, within) => client.tags(repository, options, within) }),
    referrers: (repository, digest, options, call) =>
      short({
        operation: 'referrers',
        repository,
        call,
        ask: (client, within) => client.referrers(repository, digest, options, within),
      }),
  };
}

async function begin<T>(parts: ReaderParts, asking: Question<T>): Promise<Exchange<T>> {
  const { gate, accounts, pool } = parts;
  const { operation, repository } = asking;
  const call = untilTheEnd(asking.call, parts.ending);
  const question = { ...asking, call };
  await parts.ready;
  const wish = {
    repository,
    isPull: operation === 'getManifest',
    isWarm: call.purpose === 'warm',
  } satisfies AccountWish;
  // Whoever would be refused anyway does not wait for a connection first.
  gate.check();
  accounts.check(wish);
  const leave = await pool.enter({
    kind: operation === 'getBlob' ? 'blob' : 'short',
    principal: `${call.principal.kind} ${call.principal.name}`,
    repository: repository ?? '',
    signal: call.signal,
  });
  const startedMs = parts.clock.now();
  let isOpen = true;
  const end = (outcome: Outcome, bytes: number) => {
    if (!isOpen) return;
    isOpen = false;
    leave();
    parts.counts.bytes += bytes;
    const durationMs = parts.clock.now() - startedMs;
    parts.observe({ kind: 'upstream', host: parts.host, operation, outcome, bytes, durationMs });
  };
  try {
    return { answer: await asked(parts, question, wish), end };
  } catch (thrown) {
    if (call.signal?.aborted) leave();
    else end(outcomeOf(thrown), 0);
    throw thrown;
  }
}

function untilTheEnd(call: Call, ending: AbortSignal): Call {
  return { ...call, signal: call.signal ? AbortSignal.any([call.signal, ending]) : ending };
}

/** Asks with one account, and where that is limited or refused, with the next. */
async function asked<T>(parts: ReaderParts, question: Question<T>, wish: AccountWish): Promise<Served<T>> {
  const tried = new Set<UpstreamAccount>();
  let refusal: RegistryError | undefined;
  while (true) {
    const lease = refusal === undefined ? parts.accounts.choose(wish) : parts.accounts.another(wish, tried);
    if (lease === undefined) throw refusal;
    try {
      return await askedWith(parts, question, lease);
    } catch (thrown) {
      tried.add(lease.account);
      if (question.call.signal?.aborted || !isOfAccount(thrown)) throw thrown;
      refusal ??= thrown;
    }
  }
}

/** Another account may be allowed what this one is not. */
function isOfAccount(thrown: unknown): thrown is RegistryError {
  return isRegistryError(thrown, 'TOOMANYREQUESTS', 'UNAUTHORIZED', 'DENIED') && thrown.origin === 'upstream';
}

async function askedWith<T>(
  parts: ReaderParts,
  { operation, call, ask }: Question<T>,
  lease: Lease,
): Promise<Served<T>> {
  const { gate, counts } = parts;
  try {
    const pass = gate.admit();
    try {
      counts.calls++;
      if (operation === 'getManifest') counts.pulls++;
      const answer = await ask(lease.account.client, call);
      pass.alive();
      return answer;
    } catch (thrown) {
      pass.failed(thrown, call.signal?.aborted === true);
      if (!isRegistryError(thrown, 'TOOMANYREQUESTS') || thrown.origin !== 'upstream') throw thrown;
      const restMs = lease.refused(thrown.retryAfterMs, thrown.upstream?.endpoint === 'token');
      throw thrown.retryAfterMs === undefined ? comingAgain(thrown, restMs) : thrown;
    }
  } finally {
    lease.end();
  }
}

/** Whoever is refused without a time is told ours. */
function comingAgain(thrown: RegistryError, retryAfterMs: number): RegistryError {
  const { origin, upstream, why, hint, detail } = thrown;
  return new RegistryError(thrown.code, thrown.message, {
    origin,
    detail,
    retryAfterMs,
    cause: thrown,
    ...(upstream === undefined ? {} : { upstream }),
    ...(why === undefined ? {} : { why }),
    ...(hint === undefined ? {} : { hint }),
  });
}
