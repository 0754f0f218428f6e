import { isRegistryError } from '#core/oci';
import { AppError, messageOf } from '#core/std';
import type { ErrorView } from './schema.ts';

/** An error as people and programs read it: what, why, do. Never more than its author meant to say. */
export function viewOfError(thrown: unknown): ErrorView {
  if (thrown instanceof AppError) {
    const why = whyOf(thrown);
    const hint = thrown.hint ?? usualHint(thrown);
    return {
      code: thrown.code,
      what: thrown.message,
      ...(why === '' ? {} : { why }),
      ...(hint === undefined ? {} : { do: hint }),
    };
  }
  if (thrown instanceof Error && thrown.name === 'AbortError') return { code: 'INTERRUPTED', what: 'interrupted' };
  return {
    code: 'INTERNAL',
    what: `something went wrong inside entrepot: ${messageOf(thrown)}`,
    do: 'run it again with --debug and report what it prints',
  };
}

/** What mends most errors of a registry elsewhere, where whoever threw them had nothing better to say. */
const UPSTREAM_HINTS: Readonly<Record<string, (host: string) => string>> = {
  UNAUTHORIZED: (host) => `docker login ${host}, or set registries."${host}".credentials in entrepot.yaml`,
  DENIED: (host) => `let the account used at ${host} do this, or use another one`,
  TOOMANYREQUESTS: (host) => `wait, or sign in at ${host} for a higher limit`,
  UPSTREAM_UNAVAILABLE: (host) =>
    `check the name and the network; registries."${host}" in entrepot.yaml says how it is reached`,
  UPSTREAM_TIMEOUT: (host) => `try again later, or check the network to ${host}`,
  UPSTREAM_INVALID: (host) => `try again; if it stays, ${host} or something in between is broken`,
  BLOB_UNKNOWN: (host) => `the image is incomplete at ${host}: it has to be pushed there again`,
  INSUFFICIENT_STORAGE: (host) => `free room at ${host}, then run it again`,
  PROXY_FAILED: (host) => `check HTTPS_PROXY, NO_PROXY and registries."${host}".proxyUrl`,
};

function usualHint(error: AppError): string | undefined {
  const known = isRegistryError(error) ? error : error.cause;
  if (!isRegistryError(known) || known.origin !== 'upstream' || !known.upstream) return undefined;
  return known.hint ?? UPSTREAM_HINTS[known.code]?.(known.upstream.registry);
}

function whyOf(error: AppError): string {
  const parts = [error.why];
  if (isRegistryError(error) && error.upstream) {
    const { registry, status, attempts, requestId } = error.upstream;
    const facts = [
      status === undefined ? undefined : `status ${status}`,
      attempts === undefined || attempts < 2 ? undefined : `${attempts} attempts`,
      requestId === undefined ? undefined : `request ${requestId}`,
    ].filter((fact) => fact !== undefined);
    parts.push(facts.length === 0 ? undefined : `${registry}: ${facts.join(', ')}`);
  }
  return parts.filter((part) => part !== undefined && part !== '').join('; ');
}

/** The error that a view was made of, on the other side. */
export function errorOfView(view: ErrorView): Error {
  if (view.code === 'INTERRUPTED') return new DOMException(view.what, 'AbortError');
  return new AppError(view.code, view.what, { why: view.why, hint: view.do });
}
