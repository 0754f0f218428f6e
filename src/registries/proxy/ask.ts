import { isRegistryError, type OciCode, RegistryError, type RepositoryName } from '#core/oci';
import type { Call, Lister, Reader, Served } from '#core/registry';
import { AppError } from '#core/std';
import { CODE_OF_FAILURE, type Failure } from './freshness.ts';
import type { UpstreamMember } from './types.ts';

/** What the upstream answered, or why it did not. `gone` is a 404: an answer, and not a failure. */
export type Asked<T> =
  | { readonly kind: 'answer'; readonly value: T; readonly host: string; readonly warnings: readonly string[] }
  | { readonly kind: 'gone' | Failure; readonly error: RegistryError; readonly host: string };

export type Question<T> = (reader: Reader & Lister, repository: RepositoryName) => Promise<Served<T>>;

/**
 * Asks the upstream under its addresses in order, until one answers. An address that has it not is followed by the
 * next as one that fails: a mirror may hold a part only. So "gone" is said by all of them, or by none.
 */
export async function askUpstream<T>(
  members: readonly UpstreamMember[],
  names: readonly RepositoryName[],
  question: Question<T>,
): Promise<Asked<T>> {
  let first: Exclude<Asked<T>, { kind: 'answer' }> | undefined;
  for (const [index, { upstream }] of members.entries()) {
    const name = names[index];
    if (name === undefined) continue;
    try {
      const { value, served } = await question(upstream.reader, name);
      return { kind: 'answer', value, host: upstream.host, warnings: served.warnings };
    } catch (thrown) {
      const failure = failureOf(thrown, upstream.host);
      // A failure says more than a 404 of a mirror that may hold a part only.
      if (first === undefined || (first.kind === 'gone' && failure.kind !== 'gone')) first = failure;
    }
  }
  if (first) return first;
  throw new RegistryError('INTERNAL', 'a proxy namespace has no upstream');
}

/** The call that is made for everybody who waits: one who gives up does not end it. */
export function sharedCall({ principal, requestId, purpose }: Call): Call {
  return { principal, requestId, purpose };
}

const KIND_OF_CODE: Readonly<Partial<Record<OciCode, Failure>>> = {
  TOOMANYREQUESTS: 'limited',
  UNAUTHORIZED: 'refused',
  DENIED: 'refused',
  UPSTREAM_DENIED: 'refused',
  UPSTREAM_TIMEOUT: 'timeout',
  REQUEST_TIMEOUT: 'timeout',
  UPSTREAM_INVALID: 'invalid',
  MANIFEST_INVALID: 'invalid',
  MANIFEST_TOO_LARGE: 'invalid',
  DIGEST_INVALID: 'invalid',
  SIZE_INVALID: 'invalid',
};

/** Whoever gives no time of its own: what docker and containerd wait before they ask again, roughly. */
const LIMITED_RETRY_MS = 60_000;
/** No upstream is believed longer, nor is its word passed on. */
const LONGEST_RETRY_MS = 86_400_000;

/** What a question's failure means. Throws what is no answer of an upstream: a bug, a caller that gave up. */
export function failureOf(thrown: unknown, host: string): Exclude<Asked<never>, { kind: 'answer' }> {
  // No password file, say: of ours, and still nothing that makes a copy worse.
  if (!(thrown instanceof AppError)) throw thrown;
  const error = isRegistryError(thrown)
    ? thrown
    : new RegistryError('UPSTREAM_UNAVAILABLE', `${host} could not be asked`, {
        why: 'this registry has not what it needs to ask it; its log says what',
        hint: `see what it is with: entrepot upstream test ${host}`,
        cause: thrown,
      });
  if (error.status === 404) return { kind: 'gone', error, host };
  const kind = KIND_OF_CODE[error.code] ?? 'failed';
  return { kind, error: asCode(error, kind, host), host };
}

/** The upstream's own words under our code. */
function asCode(error: RegistryError, kind: Failure, host: string): RegistryError {
  const code = CODE_OF_FAILURE[kind];
  const isTheirs = error.status < 500 || error.code === 'INSUFFICIENT_STORAGE';
  const isFit = kind === 'failed' ? !isTheirs || error.code === 'UNSUPPORTED' : error.code === code;
  const askedMs = error.retryAfterMs ?? (kind === 'limited' ? LIMITED_RETRY_MS : undefined);
  const retryAfterMs = askedMs === undefined ? undefined : Math.min(askedMs, LONGEST_RETRY_MS);
  if (isFit && retryAfterMs === error.retryAfterMs) return error;
  return new RegistryError(isFit ? error.code : code, error.message, {
    ...optionsOf(error),
    origin: 'upstream',
    upstream: error.upstream ?? { registry: host },
    detail: error.detail,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

function optionsOf({ why, hint, cause }: AppError) {
  return {
    ...(why === undefined ? {} : { why }),
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
  };
}
