import { isRegistryError, type OciCode, RegistryError } from '#core/oci';
import { AppError, messageOf } from '#core/std';

export type CopyPlace = {
  readonly origin: 'source' | 'destination';
  /** The endpoint's name. */
  readonly registry: string;
  readonly repository: string;
  /** The tag or digest that was worked on. */
  readonly reference: string;
};

/** A copy that failed, and whose fault it is. `code` is that of the cause: UNAUTHORIZED stays UNAUTHORIZED. */
export class CopyError extends AppError {
  readonly origin: 'source' | 'destination';
  readonly registry: string;
  readonly repository: string;
  readonly reference: string;

  constructor(place: CopyPlace, doing: string, cause: unknown) {
    const known = cause instanceof AppError ? cause : undefined;
    super(known?.code ?? 'INTERNAL', `${doing} at the ${place.origin} ${formatPlace(place)} failed`, {
      why: known?.why === undefined ? messageOf(cause) : `${known.message}: ${known.why}`,
      hint: known?.hint,
      cause,
    });
    this.name = 'CopyError';
    this.origin = place.origin;
    this.registry = place.registry;
    this.repository = place.repository;
    this.reference = place.reference;
  }
}

function formatPlace({ registry, repository, reference }: CopyPlace): string {
  return `${registry}/${repository}${reference.includes(':') ? '@' : ':'}${reference}`;
}

/** Runs a piece of work at a place; what it throws says so. A CopyError and an abort pass as they are. */
export async function at<T>(place: CopyPlace, doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw copyError(place, doing, thrown);
  }
}

export function copyError(place: CopyPlace, doing: string, thrown: unknown): unknown {
  return thrown instanceof CopyError || isAbort(thrown) ? thrown : new CopyError(place, doing, thrown);
}

function isAbort(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === 'AbortError';
}

/** Codes after which the same request may do better a moment later. */
const PASSING: readonly OciCode[] = [
  'UPSTREAM_UNAVAILABLE',
  'UPSTREAM_TIMEOUT',
  'PROXY_FAILED',
  'TOOMANYREQUESTS',
  'UNAVAILABLE',
  'REQUEST_TIMEOUT',
  'INTERNAL',
  // The upload was lost or somebody else ended it: a new one may work.
  'BLOB_UPLOAD_UNKNOWN',
  'BLOB_UPLOAD_INVALID',
];

/** Whether trying again makes sense: by the code, or because the error says when. */
export function isPassing(thrown: unknown): boolean {
  return isRegistryError(causeOf(thrown), ...PASSING) || retryAfterMsOf(thrown) !== undefined;
}

export function retryAfterMsOf(thrown: unknown): number | undefined {
  const cause = causeOf(thrown);
  return cause instanceof RegistryError ? cause.retryAfterMs : undefined;
}

/** Whether the answer was "not here": nothing else is ever read as absence. */
export function isAbsent(thrown: unknown): boolean {
  return isRegistryError(thrown, 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN', 'NOT_FOUND');
}

/** What a registry threw, without the place it was thrown at. */
export function causeOf(thrown: unknown): unknown {
  return thrown instanceof CopyError ? thrown.cause : thrown;
}
