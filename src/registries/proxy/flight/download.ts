import { type Digest, isRegistryError, RegistryError } from '#core/oci';
import type { Call } from '#core/registry';
import { backoffMs, type Clock } from '#core/std';
import type { FlightSource } from '../types.ts';
import { otherSizeError, refusalOf, shortError } from './error.ts';
import type { FlightLimits } from './limits.ts';
import { openSource } from './source.ts';

/** Where a download puts its bytes. */
export type Landing = {
  readonly sizeBytes: number | undefined;
  readonly offset: number;
  /** The size, as soon as a source says it. Throws RANGE_INVALID when more is here already. */
  sized(sizeBytes: number, source: FlightSource): void;
  land(chunk: Uint8Array): Promise<void>;
  /** A source is asked now. */
  asks(source: FlightSource): void;
  /** Before the size is known: it is not asked again. */
  refused(source: FlightSource, why: unknown): void;
  resumed(source: FlightSource, why: unknown): void;
};

export type DownloadOptions = {
  readonly digest: Digest;
  /** May grow while it runs: whoever joins brings its own. */
  readonly sources: readonly FlightSource[];
  /** Sources that are not asked (any more). */
  readonly out: Set<FlightSource>;
  readonly call: Call;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly random: () => number;
  readonly limits: FlightLimits;
};

/** What went wrong here and not there: no other source would help. */
export class LandingError extends Error {}

type Course = {
  /** Tries in a row that brought nothing. */
  fruitless: number;
  turn: number;
  readonly refusals: unknown[];
};

/**
 * Gets a blob from the byte that `landing` has reached to its end: from the first source, and when that breaks from the
 * same again, then from the next. Throws the failure of the last source, or what `landing` throws.
 */
export async function download(landing: Landing, options: DownloadOptions): Promise<void> {
  const course: Course = { fruitless: 0, turn: 0, refusals: [] };
  let source = nextSource(options, course);
  while (true) {
    const before = landing.offset;
    landing.asks(source);
    try {
      await transfer(source, landing, options);
      return;
    } catch (thrown) {
      options.signal.throwIfAborted();
      if (thrown instanceof LandingError) throw thrown.cause;
      if (isTooLong(thrown, landing)) throw thrown;
      source = await afterFailure(thrown, { source, landing, options, course, gained: landing.offset > before });
    }
  }
}

/** Of a part kept from before: the blob has no more, or fewer, bytes. */
function isTooLong(thrown: unknown, landing: Landing): boolean {
  return landing.sizeBytes === undefined && landing.offset > 0 && isRegistryError(thrown, 'RANGE_INVALID');
}

async function transfer(source: FlightSource, landing: Landing, options: DownloadOptions): Promise<void> {
  const opened = await openSource(source, { ...options, offset: landing.offset });
  const { sizeBytes } = opened;
  let skip = opened.skipBytes;
  try {
    if (landing.sizeBytes !== undefined && landing.sizeBytes !== sizeBytes) {
      throw otherSizeError(source.host, sizeBytes, landing.sizeBytes);
    }
    landing.sized(sizeBytes, source);
    while (landing.offset < sizeBytes) {
      const chunk = await opened.read();
      if (!chunk) throw shortError(source.host, landing.offset, sizeBytes);
      // No more than was said: the digest tells whether that was the blob.
      const wanted = chunk.subarray(skip, skip + sizeBytes - landing.offset);
      skip = Math.max(0, skip - chunk.byteLength);
      if (wanted.byteLength > 0) await landing.land(wanted);
    }
    opened.finish();
  } catch (thrown) {
    opened.cut(thrown);
    throw thrown;
  }
}

type Failed = {
  readonly source: FlightSource;
  readonly landing: Landing;
  readonly options: DownloadOptions;
  readonly course: Course;
  readonly gained: boolean;
};

/** Waits, and answers whom to ask next. Throws when there is nobody, or it was tried often enough. */
async function afterFailure(thrown: unknown, failed: Failed): Promise<FlightSource> {
  const { source, landing, options, course, gained } = failed;
  const { limits, clock, random, signal, out } = options;
  course.fruitless = gained ? 0 : course.fruitless + 1;
  if (!gained) course.refusals.push(thrown);
  // Before anything came each source is asked once: they try again by themselves, and somebody waits for the answer.
  const isOut = !gained && (isFinal(thrown, limits) || landing.sizeBytes === undefined);
  if (isOut) out.add(source);
  if (isOut && landing.sizeBytes === undefined) landing.refused(source, thrown);
  if (course.fruitless >= limits.retry.attempts) throw thrown;
  const next = gained ? source : nextSource(options, course);
  // Another source may be asked at once, the same again only after a while.
  const isAgain = next === source || course.fruitless >= options.sources.length;
  if (isAgain) await clock.sleep(waitOf(thrown, course.fruitless, { limits, random }), signal);
  if (landing.sizeBytes !== undefined) landing.resumed(next, thrown);
  return next;
}

function waitOf(
  thrown: unknown,
  fruitless: number,
  { limits, random }: { readonly limits: FlightLimits; readonly random: () => number },
): number {
  const asked = thrown instanceof RegistryError ? thrown.retryAfterMs : undefined;
  return asked ?? backoffMs(Math.max(1, fruitless), limits.retry, random);
}

/** The sources take turns. Throws the refusal that says most when none is left. */
function nextSource({ sources, out }: DownloadOptions, course: Course): FlightSource {
  for (let tried = 0; tried < sources.length; tried++) {
    const source = sources[(course.turn + tried) % sources.length];
    if (!source || out.has(source)) continue;
    course.turn = (course.turn + tried + 1) % sources.length;
    return source;
  }
  throw refusalOf(course.refusals);
}

/** Whether asking the same source again is of no use. */
function isFinal(thrown: unknown, limits: FlightLimits): boolean {
  if (!(thrown instanceof RegistryError)) return false;
  if ((thrown.retryAfterMs ?? 0) > limits.longestWaitMs) return true;
  return !PASSING.includes(thrown.code);
}

/** Codes of what may be over soon. */
const PASSING: readonly string[] = [
  'UPSTREAM_UNAVAILABLE',
  'UPSTREAM_TIMEOUT',
  'PROXY_FAILED',
  'UNAVAILABLE',
  'INTERNAL',
  'TOOMANYREQUESTS',
];
