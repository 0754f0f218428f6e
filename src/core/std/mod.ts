export { unlessAborted } from './abort.ts';
export { type Clock, manualClock, systemClock } from './clock.ts';
export { AppError, type AppErrorOptions, messageOf, systemCodeOf } from './error.ts';
export { createLimiter, type Limiter, mapLimited } from './limiter.ts';
export { type Log, type LogFields, silentLog } from './log.ts';
export { createSizedCache, type SizedCache } from './lru.ts';
export { type NetworkTrouble, networkTroubleOf } from './network-trouble.ts';
export {
  compareTags,
  compileGlob,
  compileRe2,
  isGlob,
  type Matcher,
  satisfies,
  semverOf,
  semverRange,
  tagMatcher,
} from './pattern.ts';
export { backoffMs, parseRetryAfter, type RetryOptions, type RetryPolicy, type RetryVerdict, retry } from './retry.ts';
export { createSingleFlight, type SingleFlight } from './single-flight.ts';
export {
  type ByteSource,
  type ByteStream,
  chunksOf,
  collectBytes,
  freeChunk,
  hasFreeableChunks,
  streamFrom,
  streamOf,
  withFreeableChunks,
} from './stream.ts';
