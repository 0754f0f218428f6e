import { isDigest, type ManifestReference, RegistryError, type RepositoryName } from '#core/oci';
import { ageSeconds, type ProxyContext, timeText } from './context.ts';
import { type Copy, type ManifestQuestion, resetAtMs } from './copy.ts';
import type { FailureCode, Step } from './freshness.ts';

/** The upstream's 404: just now, in its words, or lately. */
type Word = { readonly said?: RegistryError | undefined; readonly saidAtMs?: number | undefined };

/** Not found, and the upstream said so. */
export function unknownError(
  context: ProxyContext,
  { place, reference }: ManifestQuestion,
  { said, saidAtMs }: Word,
): RegistryError {
  const when = saidAtMs === undefined ? '' : ` ${timeText(ageSeconds(context, saidAtMs))} ago`;
  return new RegistryError(said?.code ?? 'MANIFEST_UNKNOWN', `${place.local} has no manifest ${reference}`, {
    origin: 'upstream',
    upstream: said?.upstream ?? { registry: context.host },
    detail: { name: place.local, reference },
    why: `${context.host} said so${when}${said?.why ? ` (${said.why})` : ''}`,
  });
}

/** Nothing is here, and nobody may be asked. */
export function refusedError(
  context: ProxyContext,
  { place, reference }: ManifestQuestion,
  step: Extract<Step, { kind: 'refuse' }>,
): RegistryError {
  const what = nameOf(place.local, reference);
  const options = { why: step.why, detail: { name: place.local, reference } };
  if (step.code !== 'TOOMANYREQUESTS') return new RegistryError(step.code, `${what} is not here`, options);
  const untilMs = resetAtMs(context);
  return new RegistryError(step.code, `${context.host} is not asked for ${what}`, {
    ...options,
    retryAfterMs: untilMs === undefined ? RESERVE_RETRY_MS : Math.max(0, untilMs - context.clock.now()),
    hint: 'wait, lower the reserve, or use credentials with a higher limit',
  });
}
/** Where an upstream does not say when it counts anew. */
const RESERVE_RETRY_MS = 60_000;

type NoAnswer = { readonly code: FailureCode; readonly error: RegistryError | undefined; readonly copy: Copy };

/** No answer and no copy: the upstream's words, with what is to be known about the copy that may not be served. */
export function failedError(
  context: ProxyContext,
  { place, reference }: ManifestQuestion,
  { code, error, copy }: NoAnswer,
): RegistryError {
  if (!error) return new RegistryError(code, `${context.host} did not answer`, { origin: 'upstream' });
  const checkedAtMs = copy.known?.checkedAtMs;
  if (copy.local !== 'too-old' || checkedAtMs === undefined) return error;
  const age = `${timeText(ageSeconds(context, checkedAtMs))} old, more than staleIfError allows`;
  return new RegistryError(error.code, error.message, {
    detail: error.detail,
    origin: error.origin,
    cause: error,
    why: [error.why, `the copy of ${nameOf(place.local, reference)} is ${age}`].filter(Boolean).join('; '),
    ...(error.upstream === undefined ? {} : { upstream: error.upstream }),
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}

export function nameOf(repository: RepositoryName, reference: ManifestReference): string {
  return `${repository}${isDigest(reference) ? '@' : ':'}${reference}`;
}
