import type { ManifestReference, RegistryError, RepositoryName } from '#core/oci';
import {
  type CacheStore,
  type Call,
  type Lister,
  memory,
  memoryCache,
  type Reader,
  type Registry,
} from '#core/registry';
import { repo, tag } from '#core/registry/contract';
import { type Clock, manualClock, silentLog, systemClock } from '#core/std';
import { cached } from './cached.ts';
import { createFlights } from './flight/flights.ts';
import { memoryProxyState } from './memory-state.ts';
import type { ProxyRegistry } from './proxy.ts';
import type { ProxyState } from './state.ts';
import type { ProxyEvent, ProxyRules, Quota, Upstream, UpstreamState } from './types.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export const HUB = repo('hub');
/** Here, and at Docker Hub. */
export const REDIS = repo('hub/library/redis');
export const REDIS_THERE = repo('library/redis');
export const SEVEN = tag('7');
export const PULL: Call = { principal: { kind: 'key', name: 'node' }, requestId: 'r-1', purpose: 'pull' };

/** The rules of a namespace that nobody has said anything about. */
export const RULES: ProxyRules = {
  freshness: {
    freshForMs: 10 * MINUTE,
    staleWhileRevalidateMs: 0,
    staleIfErrorMs: 30 * DAY,
    negativeForMs: MINUTE,
    immutable: false,
    offline: false,
  },
  byTag: [],
  allow: [],
  deny: [],
  neverUpstream: [],
  platforms: [],
  whenDeleted: 'keep',
};

export function rulesWith(freshness: Partial<ProxyRules['freshness']>, more: Partial<ProxyRules> = {}): ProxyRules {
  return { ...RULES, ...more, freshness: { ...RULES.freshness, ...freshness } };
}

/** An upstream over a registry in memory, which counts, and fails or waits as it is told. */
export type FakeUpstream = Upstream & {
  readonly registry: Registry;
  /** `HEAD library/redis:7`, `GET library/redis@sha256:…`, `BLOB …`, `BLOB-HEAD …`, `TAGS …`, `REFERRERS …` */
  readonly asked: string[];
  /** Those since the last look. */
  take(): string[];
  /** What each question fails with; undefined: it is answered. */
  failure: ((question: string) => RegistryError | undefined) | undefined;
  /** Each question waits for this. */
  gate: Promise<void> | undefined;
  /** Replaces answers, for those that lie. */
  reader: Reader & Lister;
  quotas: readonly Quota[];
  /** Default: as many as have quotas. */
  accounts?: number;
  reservePulls: number;
};

export function fakeUpstream(host = 'docker.io', registry: Registry = memory({ name: host })): FakeUpstream {
  const asked: string[] = [];
  const ask = async <T>(question: string, answer: () => Promise<T>): Promise<T> => {
    asked.push(question);
    await fake.gate;
    const failure = fake.failure?.(question);
    if (failure) throw failure;
    return await answer();
  };
  const at = (name: string, reference: ManifestReference) =>
    `${name}${reference.includes(':') ? '@' : ':'}${reference}`;
  const fake: FakeUpstream = {
    host,
    registry,
    asked,
    take: () => asked.splice(0),
    failure: undefined,
    gate: undefined,
    quotas: [],
    reservePulls: 0,
    reader: {
      resolveManifest: (...rest) => ask(`HEAD ${at(rest[0], rest[1])}`, () => registry.resolveManifest(...rest)),
      getManifest: (...rest) => ask(`GET ${at(rest[0], rest[1])}`, () => registry.getManifest(...rest)),
      resolveBlob: (...rest) => ask(`BLOB-HEAD ${at(rest[0], rest[1])}`, () => registry.resolveBlob(...rest)),
      getBlob: (...rest) => ask(`BLOB ${at(rest[0], rest[1])}`, () => registry.getBlob(...rest)),
      tags: (...rest) => ask(`TAGS ${rest[0]}`, () => registry.tags(...rest)),
      referrers: (...rest) => ask(`REFERRERS ${at(rest[0], rest[1])}`, () => registry.referrers(...rest)),
      repositories: (...rest) => ask('CATALOG', () => registry.repositories(...rest)),
    },
    state: (): UpstreamState => ({
      host,
      breaker: { state: 'closed', failures: 0, sinceMs: 0 },
      quotas: fake.quotas,
      accounts: fake.accounts ?? Math.max(1, fake.quotas.length),
      reservePulls: fake.reservePulls,
      requests: asked.length,
      bytes: 0,
      pulls: 0,
      active: 0,
      waiting: 0,
    }),
    close: async () => {},
  };
  return fake;
}

export type ProxyFixture = {
  readonly proxy: ProxyRegistry;
  readonly upstream: FakeUpstream;
  readonly store: CacheStore;
  readonly state: ProxyState;
  readonly clock: ReturnType<typeof manualClock>;
  readonly events: ProxyEvent[];
  /** The same store, upstream and state as a new process sees them. */
  again(rules?: ProxyRules): ProxyRegistry;
};

export type FixtureOptions = {
  readonly rules?: ProxyRules;
  readonly upstreams?: readonly FakeUpstream[];
  readonly prefix?: string;
  readonly namespace?: RepositoryName;
  readonly state?: (clock: Clock) => ProxyState;
  readonly store?: CacheStore;
};

/** A proxy namespace `hub` over Docker Hub, as far as there is one in memory. */
export function fixture(options: FixtureOptions = {}): ProxyFixture {
  const clock = manualClock();
  const events: ProxyEvent[] = [];
  const upstreams = options.upstreams ?? [fakeUpstream()];
  const [upstream = fakeUpstream()] = upstreams;
  const store = options.store ?? memoryCache();
  const state = options.state?.(clock) ?? memoryProxyState(clock);
  let hear: ((event: ProxyEvent) => void) | undefined;
  // Flights have waits of their own, which are not what is looked at here.
  const flights = createFlights({
    parts: store.cache.parts,
    link: store.cache.linkBlob,
    clock: systemClock(),
    random: () => 0.5,
    log: silentLog(),
    observe: (event) => {
      events.push(event);
      hear?.(event);
    },
  });
  const make = (rules = options.rules ?? RULES) =>
    cached({
      namespace: options.namespace ?? HUB,
      store,
      flights,
      upstreams: upstreams.map((each) => ({ upstream: each, prefix: options.prefix ?? '' })),
      rules,
      state,
      clock,
      random: () => 0.5,
      log: silentLog(),
      observe: (event) => events.push(event),
    });
  const proxy = make();
  hear = proxy.hear;
  return { proxy, upstream, store, state, clock, events, again: make };
}
