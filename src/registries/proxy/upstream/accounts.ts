import { RegistryError, type RepositoryName } from '#core/oci';
import type { Quota } from '../types.ts';
import { afterRefusal, afterSeen, judge, type Stop } from './quota.ts';
import type { Reserve, SeenLimit, UpstreamAccount } from './types.ts';

/** What a call needs of an account. */
export type AccountWish = {
  /** Absent: it is about no repository, but about the registry. */
  readonly repository: RepositoryName | undefined;
  /** A manifest's GET: what upstreams count. HEADs, blobs and lists are free. */
  readonly isPull: boolean;
  readonly isWarm: boolean;
};

/** An account while a call uses it. */
export type Lease = {
  readonly account: UpstreamAccount;
  /** After the answer: reads what it told of the limit. */
  end(): void;
  /** After a 429: answers how long the account rests. `isToken`: the token server's, which is in the way of everything. */
  refused(retryAfterMs: number | undefined, isToken: boolean): number;
};

export type Accounts = {
  /** Throws where `choose` would. */
  check(wish: AccountWish): void;
  /** The account with the most pulls left of those that serve. Throws TOOMANYREQUESTS, and UPSTREAM_DENIED where none serves. */
  choose(wish: AccountWish): Lease;
  /** The next best, or undefined. */
  another(wish: AccountWish, tried: ReadonlySet<UpstreamAccount>): Lease | undefined;
  quotas(): readonly Quota[];
  restore(quotas: readonly Quota[]): void;
};

export type AccountsOptions = {
  readonly host: string;
  readonly accounts: readonly UpstreamAccount[];
  readonly reserve: Reserve;
  readonly now: () => number;
  readonly random: () => number;
  readonly onChange: (quota: Quota) => void;
};

type Held = {
  readonly account: UpstreamAccount;
  quota: Quota;
  /** Of the client's limit, the one that `quota` knows. */
  seen: SeenLimit | undefined;
  /** Pulls under way. */
  pending: number;
  /** 429s in a row. */
  refusals: number;
};

export function createAccounts(options: AccountsOptions): Accounts {
  const { host, reserve, now, random, onChange } = options;
  const all = options.accounts.map((account): Held => {
    return { account, quota: { account: account.name, seenAtMs: 0 }, seen: undefined, pending: 0, refusals: 0 };
  });
  const change = (held: Held, quota: Quota) => {
    held.quota = quota;
    onChange(quota);
  };
  const lease = (held: Held, { isPull }: AccountWish): Lease => {
    if (isPull) held.pending++;
    const before = held.refusals;
    return {
      account: held.account,
      end() {
        if (isPull) held.pending--;
        if (held.refusals === before) held.refusals = 0;
        const { rateLimit } = held.account.client.state();
        if (rateLimit === undefined || rateLimit === held.seen) return;
        held.seen = rateLimit;
        change(held, afterSeen(held.quota, rateLimit));
      },
      refused(retryAfterMs, isToken) {
        held.refusals++;
        const nowMs = now();
        const refused = { nowMs, isPull: isPull && !isToken, retryAfterMs, count: held.refusals, random };
        change(held, afterRefusal(held.quota, refused));
        return restMs(held.quota, nowMs);
      },
    };
  };
  const judged = (wish: AccountWish) =>
    all
      .filter(({ account }) => serves(account, wish.repository))
      .map((held) => {
        return { held, verdict: judge(held.quota, { ...wish, nowMs: now(), pending: held.pending, reserve }) };
      });
  const best = (candidates: ReturnType<typeof judged>): Held | undefined => {
    const free = candidates.flatMap(({ held, verdict }) => {
      return verdict.kind === 'go' ? [{ held, left: verdict.left }] : [];
    });
    return free.sort(byPreference)[0]?.held;
  };
  const bestOrThrow = (wish: AccountWish): Held => {
    const candidates = judged(wish);
    const found = best(candidates);
    if (found) return found;
    const stops = candidates.flatMap(({ verdict }) => (verdict.kind === 'go' ? [] : [verdict]));
    throw stops.length === 0 ? unserved(host, wish.repository) : limited(host, stops, now());
  };
  return {
    check: (wish) => void bestOrThrow(wish),
    choose: (wish) => lease(bestOrThrow(wish), wish),
    another(wish, tried) {
      const found = best(judged(wish).filter(({ held }) => !tried.has(held.account)));
      return found && lease(found, wish);
    },
    quotas: () => all.flatMap(({ quota }) => (quota.seenAtMs === 0 ? [] : [quota])),
    restore(quotas) {
      for (const held of all) {
        const known = quotas.find(({ account }) => account === held.account.name);
        if (known && held.quota.seenAtMs === 0) held.quota = known;
      }
    },
  };
}

function restMs({ blockedUntilMs = 0, pullsBlockedUntilMs = 0 }: Quota, nowMs: number): number {
  return Math.max(0, Math.max(blockedUntilMs, pullsBlockedUntilMs) - nowMs);
}

function serves({ serves: matches }: UpstreamAccount, repository: RepositoryName | undefined): boolean {
  if (matches === undefined) return true;
  return repository !== undefined && matches(repository);
}

type Free = { readonly held: Held; readonly left: number };

/** Accounts made for the repository first; of equals the one with most left, then the one in least use. */
function byPreference(one: Free, other: Free): number {
  const special = Number(other.held.account.serves !== undefined) - Number(one.held.account.serves !== undefined);
  if (special !== 0) return special;
  if (one.left !== other.left) return one.left > other.left ? -1 : 1;
  return one.held.pending - other.held.pending;
}

function limited(host: string, stops: readonly Stop[], nowMs: number): RegistryError {
  const [soonest = stops[0]] = [...stops].sort((one, other) => one.untilMs - other.untilMs);
  const untilMs = soonest?.untilMs ?? nowMs;
  const until = new Date(untilMs).toISOString();
  return new RegistryError('TOOMANYREQUESTS', `${host} is not asked until ${until}, as its pulls are limited`, {
    origin: 'upstream',
    upstream: { registry: host },
    why: stops.map(({ why }) => why).join('; '),
    hint: `wait, or add an account with a higher limit to registries."${host}".credentials`,
    retryAfterMs: Math.max(0, untilMs - nowMs),
  });
}

function unserved(host: string, repository: RepositoryName | undefined): RegistryError {
  return new RegistryError('UPSTREAM_DENIED', `no account at ${host} is for ${repository ?? 'the registry itself'}`, {
    why: `all of registries."${host}".credentials name other repositories`,
    hint: 'add one without `repositories`, or one that names it',
  });
}
