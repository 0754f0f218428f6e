import { isRegistryError } from '#core/oci';
import type { ProxyEvent } from '../types.ts';
import type { BreakerEvent } from './breaker.ts';

export type Outcome = Extract<ProxyEvent, { kind: 'upstream' }>['outcome'];

/** What a failed call says of its upstream's life. `isCut`: its caller gave up. */
export function breakerEventOf(thrown: unknown, call: { isProbe: boolean; isCut: boolean }): BreakerEvent {
  const { isProbe, isCut } = call;
  // A failure of our own (no password file) was never sent.
  if (isCut || !isRegistryError(thrown) || thrown.origin !== 'upstream') return { kind: 'silent', isProbe };
  if (!isRegistryError(thrown, 'UPSTREAM_UNAVAILABLE', 'UPSTREAM_TIMEOUT', 'PROXY_FAILED')) {
    return { kind: 'alive', isProbe };
  }
  const { retryAfterMs } = thrown;
  // Not which request it was: others are told of it too.
  const why = thrown.why ?? thrown.message;
  return { kind: 'down', isProbe, why, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

/** How a failed call is counted. */
export function outcomeOf(thrown: unknown): Outcome {
  if (!isRegistryError(thrown)) return 'failed';
  if (thrown.status === 404) return 'not-found';
  if (thrown.code === 'TOOMANYREQUESTS') return 'limited';
  if (thrown.code === 'UNAUTHORIZED' || thrown.code === 'DENIED') return 'refused';
  if (thrown.code === 'UPSTREAM_TIMEOUT') return 'timeout';
  return thrown.code === 'UPSTREAM_INVALID' ? 'invalid' : 'failed';
}
