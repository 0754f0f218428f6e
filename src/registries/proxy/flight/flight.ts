import { type Descriptor, type Digest, isRegistryError, type RepositoryName } from '#core/oci';
import type { Call } from '#core/registry';
import { messageOf } from '#core/std';
import type { FlightFact, FlightSource, FlightWish } from '../types.ts';
import {
  arrive,
  type Course,
  confirm,
  createCourse,
  type FlightContext,
  fail,
  forget,
  land,
  partOf,
  putAway,
  receivedBytes,
  setSize,
  takeOff,
} from './course.ts';
import { download, type Landing, LandingError } from './download.ts';
import { EndedByUs, isMismatch, keptTooLongError, lieError, whyOf } from './error.ts';
import { createStarter, type Starter } from './starter.ts';

/** One download and all who follow it. */
export type Flight = {
  readonly digest: Digest;
  readonly course: Course;
  /** Resolves when it is stored; rejects with what it failed by. */
  readonly stored: Promise<Descriptor>;
  /** It came to nothing, and its part is being put away: whoever comes now begins anew after that. */
  isOver(): boolean;
  fact(): FlightFact;
  /** Whether it brings the blob to a repository. */
  isFor(repository: RepositoryName): boolean;
  /** Whether it comes from the upstream that a wish is for: what another one sends is not its to give. */
  comesFor(wish: FlightWish): boolean;
  /** Somebody wants it, and began it or has the upstream's word. */
  attend(wish: FlightWish): Seat;
  end(why: string): void;
};

/** What one reader waits for. Both reject for whoever began it when its own sources have it not, and others go on. */
export type Seat = {
  /** Resolves as soon as the size is known; rejects when it never will be. */
  readonly sized: Promise<number>;
  readonly stored: Promise<Descriptor>;
  /** To be called when that is over. */
  leave(): void;
};

type State = {
  readonly context: FlightContext;
  readonly course: Course;
  readonly call: Call;
  readonly stop: AbortController;
  readonly repositories: Set<RepositoryName>;
  /** Those of them that the commit knew of. */
  readonly linked: Set<RepositoryName>;
  readonly sources: FlightSource[];
  /** Sources that proved useless, and those that brought bytes of this try. */
  readonly out: Set<FlightSource>;
  readonly brought: Set<FlightSource>;
  readonly sized: PromiseWithResolvers<number>;
  readonly starter: Starter;
  asked: FlightSource | undefined;
  readonly startedAtMs: number;
  host: string;
  attendants: number;
  isOver: boolean;
};

export function startFlight(wish: FlightWish, call: Call, context: FlightContext): Flight {
  const [first] = wish.sources;
  const state: State = {
    context,
    course: createCourse(wish.digest, context),
    call,
    stop: new AbortController(),
    repositories: new Set(),
    linked: new Set(),
    sources: [],
    out: new Set(),
    brought: new Set(),
    sized: Promise.withResolvers(),
    starter: createStarter(wish),
    asked: undefined,
    startedAtMs: context.clock.now(),
    host: first?.host ?? '',
    attendants: 0,
    isOver: false,
  };
  join(state, wish);
  context.observe({ kind: 'flight-started', flight: factOf(state) });
  const stored = fly(state);
  // Whoever waits hears of a failure; without anybody the event and the log tell.
  stored.catch(() => {});
  state.sized.promise.catch(() => {});
  return {
    digest: wish.digest,
    course: state.course,
    stored,
    isOver: () => !state.course.isVerified && (state.isOver || state.stop.signal.aborted),
    fact: () => factOf(state),
    isFor: (repository) => state.repositories.has(repository),
    comesFor: ({ sources }) => first?.host === sources[0]?.host,
    attend: (joining) => attend(state, joining, stored),
    end: (why) => state.stop.abort(new EndedByUs(wish.digest, why)),
  };
}

function factOf(state: State): FlightFact {
  const { course, repositories, host, attendants, startedAtMs } = state;
  return {
    digest: course.digest,
    repositories: [...repositories],
    host,
    sizeBytes: course.sizeBytes ?? 0,
    receivedBytes: receivedBytes(course),
    readers: attendants,
    startedAtMs,
  };
}

function join(state: State, { repository, sources }: FlightWish): void {
  state.repositories.add(repository);
  const isNew = (one: FlightSource) =>
    !state.sources.some(({ host, repository: name }) => host === one.host && name === one.repository);
  state.sources.push(...sources.filter(isNew));
}

function attend(state: State, wish: FlightWish, stored: Promise<Descriptor>): Seat {
  join(state, wish);
  if (state.course.isVerified) void linkLate(state);
  state.attendants++;
  let isHere = true;
  return {
    sized: state.starter.unlessRefused(wish.repository, state.sized.promise),
    stored: state.starter.unlessRefused(wish.repository, stored),
    leave() {
      if (!isHere) return;
      isHere = false;
      state.attendants--;
      endIfUnwanted(state);
    },
  };
}

/** A little more is fetched for the next reader; of much more only when somebody waits for it. */
function endIfUnwanted({ attendants, course, context, stop }: State): void {
  if (attendants > 0 || course.sizeBytes === undefined || course.isVerified) return;
  if (course.sizeBytes - receivedBytes(course) <= context.limits.unattendedBytes) return;
  stop.abort(new EndedByUs(course.digest, 'everybody who read it has gone, and much is still to come'));
}

async function fly(state: State): Promise<Descriptor> {
  const { course, context, sized } = state;
  try {
    takeOff(course, await context.parts.open(course.digest));
    const descriptor = await fetchAndStore(state);
    arrive(course);
    await linkLate(state);
    context.observe({ kind: 'flight-ended', flight: factOf(state), outcome: 'stored' });
    return descriptor;
  } catch (thrown) {
    const flight = factOf(state);
    state.isOver = true;
    fail(course, thrown);
    state.starter.fail(thrown);
    sized.reject(thrown);
    await keepPart(state);
    const outcome = thrown instanceof EndedByUs ? 'kept' : 'failed';
    context.observe({ kind: 'flight-ended', flight, outcome, why: whyOf(thrown) });
    throw thrown;
  }
}

/** Downloads and commits; begins anew where the bytes were wrong and nobody was given any of them. */
async function fetchAndStore(state: State): Promise<Descriptor> {
  const { course, context } = state;
  while (true) {
    const keptBytes = receivedBytes(course);
    state.brought.clear();
    try {
      await download(landingOf(state), { ...optionsOf(state), ...context });
      return await commit(state, course.sizeBytes ?? 0);
    } catch (thrown) {
      if (isKeptTooLong(state, thrown)) {
        const whole = await keptAsWhole(state, keptBytes);
        if (whole) return whole;
      } else if (isMismatch(thrown)) {
        blame(state, { thrown, keptBytes });
      } else {
        throw thrown;
      }
    }
    const { digest } = course;
    context.log.warn('a download is begun anew: the bytes were not those of the digest', { digest, host: state.host });
    takeOff(course, await context.parts.open(digest));
  }
}

function optionsOf({ course, sources, out, call, stop }: State) {
  return { digest: course.digest, sources, out, call, signal: stop.signal };
}

function isKeptTooLong({ course }: State, thrown: unknown): boolean {
  return course.sizeBytes === undefined && receivedBytes(course) > 0 && isRegistryError(thrown, 'RANGE_INVALID');
}

/** The blob may have ended where the kept part does; undefined: it is another, and gone. */
async function keptAsWhole(state: State, keptBytes: number): Promise<Descriptor | undefined> {
  try {
    if (state.asked) answered(state, state.asked);
    const descriptor = await commit(state, keptBytes);
    sizedAs(state, keptBytes);
    return descriptor;
  } catch (thrown) {
    if (!isMismatch(thrown)) throw thrown;
    forget(state.course);
    return undefined;
  }
}

/** Throws where beginning anew is no remedy: somebody has wrong bytes, or nobody is left to ask. */
function blame(state: State, { thrown, keptBytes }: { readonly thrown: unknown; readonly keptBytes: number }): void {
  const { course, brought, out, sources, host } = state;
  forget(course);
  // Bytes of an earlier process may be to blame; otherwise whoever brought them is not asked again.
  if (keptBytes === 0) for (const source of brought) out.add(source);
  const isHopeless = sources.every((source) => out.has(source));
  if (course.wasGiven || isHopeless) throw lieError(host, course.digest, thrown);
}

function landingOf(state: State): Landing {
  const { course, context } = state;
  return {
    get sizeBytes() {
      return course.sizeBytes;
    },
    get offset() {
      return receivedBytes(course);
    },
    asks(source) {
      state.asked = source;
    },
    refused(source, why) {
      state.starter.refused(source, why);
      // Whoever has the upstream's word goes on; alone, the flight ends with the refusal.
      const goesOn = state.sources.some((each) => !state.out.has(each));
      if (goesOn && state.starter.isRefused) disown(state);
    },
    sized(sizeBytes, source) {
      state.host = source.host;
      answered(state, source);
      const here = receivedBytes(course);
      if (sizeBytes < here) throw keptTooLongError(here, sizeBytes);
      state.brought.add(source);
      sizedAs(state, sizeBytes);
    },
    async land(chunk) {
      try {
        await land(course, chunk, context);
      } catch (cause) {
        throw new LandingError('the bytes could not be kept', { cause });
      }
    },
    resumed(source, why) {
      state.host = source.host;
      const flight = factOf(state);
      context.observe({ kind: 'flight-resumed', flight, host: source.host, why: whyOf(why) });
    },
  };
}

/** A source has it: by that whoever began the flight has the upstream's word, or only others have it. */
function answered(state: State, source: FlightSource): void {
  if (state.starter.has(source)) state.starter.prove();
  else disown(state);
}

function disown({ starter, repositories }: State): void {
  if (starter.disown()) repositories.delete(starter.repository);
}

function sizedAs(state: State, sizeBytes: number): void {
  setSize(state.course, sizeBytes, state.context);
  state.sized.resolve(sizeBytes);
  endIfUnwanted(state);
}

async function commit({ course, repositories, linked }: State, sizeBytes: number): Promise<Descriptor> {
  for (const repository of repositories) linked.add(repository);
  return await partOf(course).commit([...linked], sizeBytes, () => confirm(course));
}

/** Whoever joined while the blob was being stored came too late for the commit. */
async function linkLate({ course, repositories, linked, context }: State): Promise<void> {
  // The set grows under the loop, which then goes on.
  for (const repository of repositories) {
    if (linked.has(repository)) continue;
    linked.add(repository);
    await context.link(repository, course.digest).catch((thrown) => {
      // Its reader has the bytes; the next one asks the upstream, as if it were not here.
      context.log.error('a blob was not linked', { repository, digest: course.digest, error: messageOf(thrown) });
    });
  }
}

/** Keeps what came, for the next to go on with. */
async function keepPart({ course, context }: State): Promise<void> {
  try {
    await putAway(course);
  } catch (thrown) {
    context.log.error('a part was not put away', { digest: course.digest, error: messageOf(thrown) });
  }
}
