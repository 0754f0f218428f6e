import type { RepositoryName } from '#core/oci';
import type { ServedBy } from '#core/registry';
import { messageOf } from '#core/std';
import { type Names, namesIn } from './name.ts';
import { createPlatformFilter, type PlatformFilter } from './platform.ts';
import type { CachedOptions } from './proxy.ts';
import { compileRules, type Refusal, type Rules, refusalError } from './rules.ts';
import type { ProxyEvent, Verdict } from './types.ts';

/** A repository of this namespace: its names here and there, and why it is not to be had, if it is not. */
export type Place = Names & { readonly refusal: Refusal | undefined };

/** What everything of one proxy works with. */
export type ProxyContext = CachedOptions & {
  /** The first upstream's name, which answers and rules speak of. */
  readonly host: string;
  readonly sharesWith: readonly RepositoryName[];
  readonly compiled: Rules;
  readonly platforms: PlatformFilter;
  /** Throws NAME_UNKNOWN, NAME_INVALID. */
  readonly findPlace: (repository: RepositoryName) => Place;
  readonly background: Background;
  /** Bytes have come: whoever keeps to a budget looks. */
  readonly arrived: { tell: (bytes: number) => void };
};

/** Repositories whose place is remembered, then all are found anew: every pull looks here, so no order of use is kept. */
const MAX_PLACES = 10_000;

export function createContext(options: CachedOptions): ProxyContext {
  const namesOf = namesIn(options.namespace, options.upstreams);
  const compiled = compileRules(options.rules);
  const places = new Map<RepositoryName, Place>();
  return {
    ...options,
    host: options.upstreams[0]?.upstream.host ?? '',
    sharesWith: options.sharesWith ?? [options.namespace],
    compiled,
    platforms: createPlatformFilter(compiled),
    findPlace(repository) {
      const known = places.get(repository);
      if (known) return known;
      const names = namesOf(repository);
      const place: Place = { ...names, refusal: compiled.refusalOf(names.upstream[0] ?? names.local) };
      if (places.size >= MAX_PLACES) places.clear();
      places.set(repository, place);
      return place;
    },
    background: createBackground(options),
    arrived: { tell: () => {} },
  };
}

type What = Extract<ProxyEvent, { kind: 'answer' }>['what'];

/** The place of a repository that may be had. Throws DENIED, NAME_UNKNOWN, NAME_INVALID. */
export function placeOf(context: ProxyContext, what: What, repository: RepositoryName): Place {
  const place = context.findPlace(repository);
  if (place.refusal === undefined) return place;
  noteAnswer(context, place, { what, verdict: 'denied', bytes: 0, savedBytes: 0 });
  throw refusalError(repository, place.refusal);
}

export type Answered = {
  readonly what: What;
  readonly verdict: Verdict;
  readonly bytes: number;
  /** Those of them that no upstream had to send. */
  readonly savedBytes: number;
};

export function noteAnswer(context: ProxyContext, { local }: Names, { what, verdict, bytes, savedBytes }: Answered) {
  const { namespace, state, observe } = context;
  state.count(namespace, { verdict, bytesServed: bytes, bytesSaved: savedBytes });
  observe({ kind: 'answer', namespace, what, repository: local, verdict, bytes });
}

export type How = {
  readonly verdict: Verdict;
  readonly reason: string;
  /** When the upstream was asked. Absent: it never was, or it does not matter. */
  readonly checkedAtMs?: number | undefined;
  readonly upstream?: string;
  readonly warnings?: readonly string[];
};

export function servedHow(context: ProxyContext, { verdict, reason, checkedAtMs, upstream, warnings }: How): ServedBy {
  const by = { by: context.namespace, verdict, upstream: upstream ?? context.host, reason };
  if (checkedAtMs === undefined) return { ...by, warnings: warnings ?? NO_WARNINGS };
  return { ...by, ageSeconds: ageSeconds(context, checkedAtMs), warnings: warnings ?? NO_WARNINGS };
}
const NO_WARNINGS: readonly string[] = [];

export function ageSeconds({ clock }: Pick<ProxyContext, 'clock'>, checkedAtMs: number): number {
  return Math.max(0, Math.floor((clock.now() - checkedAtMs) / 1000));
}

/** `12 s`, `18 min`, `3 h`, `2 d`: as a person would say it. */
export function timeText(seconds: number): string {
  const [name, size] = TIME_UNITS.find(([, unit]) => seconds >= 2 * unit) ?? ['s', 1];
  return `${Math.floor(seconds / size)} ${name}`;
}
const TIME_UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
] as const;

/** Work that nobody waits for, until the proxy is closed. What fails is logged. */
export type Background = {
  run(what: string, task: () => Promise<unknown>): void;
  settle(): Promise<void>;
};

function createBackground({ log, namespace }: CachedOptions): Background {
  const running = new Set<Promise<void>>();
  return {
    run(what, task) {
      const work = task().then(
        () => {},
        (thrown: unknown) => log.warn(`${what} failed`, { namespace, why: messageOf(thrown) }),
      );
      const tracked = work.finally(() => running.delete(tracked));
      running.add(tracked);
    },
    async settle() {
      while (running.size > 0) await Promise.all(running);
    },
  };
}
