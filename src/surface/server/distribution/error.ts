import { isRegistryError, RegistryError, toWireErrors } from '#core/oci';
import { messageOf } from '#core/std';

/** A server that says "not now" without a time still owes one. Spec, "Error Codes". */
const DEFAULT_RETRY_SECONDS = 1;

/** Anything thrown, as an error that has a wire form. What is not one is a fault of ours and says no details. */
export function asRegistryError(thrown: unknown, requestId: string): RegistryError {
  if (isRegistryError(thrown)) return thrown;
  return new RegistryError('INTERNAL', 'the registry failed at this request', {
    hint: `look for request ${requestId} in its log`,
    cause: thrown,
  });
}

/** The one place where an error becomes an answer. */
export function toResponse(
  error: RegistryError,
  requestId: string,
  extraHeaders: Readonly<Record<string, string>> = {},
): Response {
  return new Response(JSON.stringify(toWireErrors(error)), {
    status: error.status,
    headers: {
      'content-type': 'application/json',
      'docker-distribution-api-version': 'registry/2.0',
      ...(requestId === '' ? {} : { 'x-request-id': requestId }),
      ...retryHeader(error),
      ...allowHeader(error),
      ...extraHeaders,
    },
  });
}

function retryHeader(error: RegistryError): Readonly<Record<string, string>> {
  const wanted = error.status === 429 || error.status === 503;
  if (error.retryAfterMs === undefined && !wanted) return {};
  const seconds = error.retryAfterMs === undefined ? DEFAULT_RETRY_SECONDS : Math.ceil(error.retryAfterMs / 1000);
  return { 'retry-after': String(Math.max(1, seconds)) };
}

/** RFC 9110, section 15.5.6: a 405 names what the path takes. Reading is what every path takes. */
function allowHeader(error: RegistryError): Readonly<Record<string, string>> {
  if (error.status !== 405) return {};
  const { detail } = error;
  const named =
    typeof detail === 'object' && detail !== null && 'allow' in detail && Array.isArray(detail.allow)
      ? detail.allow.join(', ')
      : 'GET, HEAD';
  return { allow: named };
}

/** What the log says of an error beyond what the client was told. */
export function errorFields(error: RegistryError): Readonly<Record<string, unknown>> {
  const cause = rootOf(error);
  return {
    code: error.code,
    error: error.message,
    why: error.why,
    do: error.hint,
    upstream: error.upstream,
    cause: cause === undefined ? undefined : messageOf(cause),
    // Where a refusal of ours was made helps nobody: in an outage each request would write it.
    stack: cause instanceof Error && !isRegistryError(cause) ? cause.stack : undefined,
  };
}

/** Longer chains are circles. */
const MOST_CAUSES = 8;

/** What it all began with: an error shared by many who waited is wrapped for each. */
function rootOf(error: Error): unknown {
  let root: unknown = error.cause;
  for (let depth = 0; depth < MOST_CAUSES && root instanceof Error && root.cause !== undefined; depth++)
    root = root.cause;
  return root;
}
