import { type Digest, isRegistryError, RegistryError } from '#core/oci';
import { messageOf } from '#core/std';

/** The same failure for one more waiter: two who log or change one error must not meet in it. */
export function freshError(thrown: unknown): unknown {
  if (!(thrown instanceof RegistryError)) return thrown;
  return new RegistryError(thrown.code, thrown.message, {
    detail: thrown.detail,
    origin: thrown.origin,
    cause: thrown,
    ...(thrown.upstream === undefined ? {} : { upstream: thrown.upstream }),
    ...(thrown.retryAfterMs === undefined ? {} : { retryAfterMs: thrown.retryAfterMs }),
    ...(thrown.why === undefined ? {} : { why: thrown.why }),
    ...(thrown.hint === undefined ? {} : { hint: thrown.hint }),
  });
}

/** A download that we end: what came is kept, and the next reader goes on with it. */
export class EndedByUs extends RegistryError {
  constructor(digest: Digest, why: string) {
    super('UNAVAILABLE', `the download of ${digest} was ended`, { why, hint: 'try again' });
    this.name = 'EndedByUs';
  }
}

export function idleError(host: string, idleMs: number): RegistryError {
  return new RegistryError('UPSTREAM_TIMEOUT', `${host} sent nothing of a blob for ${idleMs / 1000} s`, {
    origin: 'upstream',
    upstream: { registry: host },
  });
}

export function silentError(host: string, answerMs: number): RegistryError {
  return new RegistryError('UPSTREAM_TIMEOUT', `${host} did not answer for ${answerMs / 1000} s`, {
    origin: 'upstream',
    upstream: { registry: host },
  });
}

/** A body taken straight from its connection breaks in the system's words. */
export function brokenError(host: string, thrown: unknown): unknown {
  if (thrown instanceof RegistryError) return thrown;
  return new RegistryError('UPSTREAM_UNAVAILABLE', `${host} broke off a blob`, {
    origin: 'upstream',
    upstream: { registry: host },
    why: messageOf(thrown),
    cause: thrown,
  });
}

export function shortError(host: string, offset: number, sizeBytes: number): RegistryError {
  return new RegistryError('UPSTREAM_UNAVAILABLE', `${host} ended a blob at byte ${offset} of ${sizeBytes}`, {
    origin: 'upstream',
    upstream: { registry: host },
    why: 'the body was shorter than its length',
  });
}

export function otherSizeError(host: string, saidBytes: number, sizeBytes: number): RegistryError {
  return new RegistryError('UPSTREAM_INVALID', `${host} says that a blob has ${saidBytes} bytes, not ${sizeBytes}`, {
    origin: 'upstream',
    upstream: { registry: host },
  });
}

/** Of a part that was kept: more came then than there is now. */
export function keptTooLongError(offset: number, sizeBytes: number): RegistryError {
  return new RegistryError('RANGE_INVALID', `${offset} bytes were kept of a blob that has ${sizeBytes}`);
}

/** The bytes are not those of the digest: whoever was given some is cut, and nothing is kept. */
export function lieError(host: string, digest: Digest, thrown: unknown): RegistryError {
  return new RegistryError('UPSTREAM_INVALID', `${host} sent other bytes than those of ${digest}`, {
    origin: 'upstream',
    upstream: { registry: host },
    why: messageOf(thrown),
    cause: thrown,
  });
}

export function isMismatch(thrown: unknown): boolean {
  return isRegistryError(thrown, 'DIGEST_INVALID', 'SIZE_INVALID');
}

/** A word for the event and the log. */
export function whyOf(thrown: unknown): string {
  const why = thrown instanceof RegistryError ? thrown.why : undefined;
  return why === undefined ? messageOf(thrown) : `${messageOf(thrown)}: ${why}`;
}

/** What all the sources' refusals come to: "there is no such blob" only where every source says so. */
export function refusalOf(refusals: readonly unknown[]): unknown {
  const other = refusals.find((thrown) => !isRegistryError(thrown, 'BLOB_UNKNOWN', 'NAME_UNKNOWN'));
  return other ?? refusals[0] ?? new RegistryError('UPSTREAM_UNAVAILABLE', 'no source is left to ask');
}
