import { AppError } from '#core/std';

/**
 * Wire codes and their HTTP status: the only table of its kind.
 * The first fourteen are the specification's; the rest are what a registry also has to say.
 * Source: distribution-spec spec.md, "Error Codes".
 */
export const STATUS_OF_CODE = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 400,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  // Beyond the specification's list, with the names that registries in the field use.
  TAG_INVALID: 400,
  TAG_IMMUTABLE: 409,
  RANGE_INVALID: 416,
  MANIFEST_TOO_LARGE: 413,
  BLOB_TOO_LARGE: 413,
  URI_TOO_LONG: 414,
  PAGINATION_NUMBER_INVALID: 400,
  REQUEST_INVALID: 400,
  REQUEST_TIMEOUT: 408,
  NOT_FOUND: 404,
  INSUFFICIENT_STORAGE: 507,
  // The upstream wants credentials or forbids: never a 401 of ours, at which clients would log in here.
  UPSTREAM_DENIED: 502,
  UPSTREAM_INVALID: 502,
  UPSTREAM_UNAVAILABLE: 502,
  UPSTREAM_TIMEOUT: 504,
  PROXY_FAILED: 502,
  UNAVAILABLE: 503,
  INTERNAL: 500,
} as const satisfies Readonly<Record<string, number>>;

export type OciCode = keyof typeof STATUS_OF_CODE;

/** What a registry elsewhere answered, as far as it helps whoever reads the error. */
export type UpstreamFact = {
  readonly registry: string;
  /** `METHOD url`, without query secrets. */
  readonly request?: string;
  /** Its token server, not the registry itself, answered so. */
  readonly endpoint?: 'token';
  readonly status?: number;
  readonly requestId?: string;
  readonly attempts?: number;
};

export type RegistryErrorOptions = {
  /** Any JSON: goes to the client as it is. */
  readonly detail?: unknown;
  readonly origin?: 'local' | 'upstream';
  readonly upstream?: UpstreamFact;
  /** When trying again makes sense. Milliseconds. */
  readonly retryAfterMs?: number;
  readonly why?: string;
  readonly hint?: string;
  readonly cause?: unknown;
};

/** An error that has a wire form. Thrown by every Registry method; its code is the contract. */
export class RegistryError extends AppError {
  declare readonly code: OciCode;
  readonly detail: unknown;
  readonly origin: 'local' | 'upstream';
  readonly upstream: UpstreamFact | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: OciCode, message: string, options: RegistryErrorOptions = {}) {
    super(code, message, options);
    this.name = 'RegistryError';
    this.detail = options.detail;
    this.origin = options.origin ?? 'local';
    this.upstream = options.upstream;
    this.retryAfterMs = options.retryAfterMs;
  }

  get status(): number {
    return STATUS_OF_CODE[this.code];
  }
}

/** Whether something thrown is a RegistryError, with one of the codes if any are given. */
export function isRegistryError(thrown: unknown, ...codes: OciCode[]): thrown is RegistryError {
  return thrown instanceof RegistryError && (codes.length === 0 || codes.includes(thrown.code));
}

/** The body the specification asks for. */
export type WireErrors = {
  readonly errors: readonly { readonly code: string; readonly message?: string; readonly detail?: unknown }[];
};

/**
 * The wire form of an error: message, cause and remedy in one sentence, because clients print only that. What an
 * upstream did, whoever runs this registry mends: the remedy names accounts and settings, and is for the log.
 */
export function toWireErrors(error: RegistryError): WireErrors {
  const remedy = error.origin === 'upstream' ? undefined : error.hint;
  const message = [error.message, error.why, remedy].filter(Boolean).join('; ');
  return {
    errors: [{ code: error.code, message, ...(error.detail === undefined ? {} : { detail: error.detail }) }],
  };
}

/** Error entries of a response body, or none when it is not of the specification's form. */
export function parseWireErrors(text: string): WireErrors['errors'] {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body !== 'object' || body === null || !('errors' in body) || !Array.isArray(body.errors)) return [];
    return body.errors.slice(0, MAX_WIRE_ERRORS).flatMap(parseWireError);
  } catch {
    return [];
  }
}

/** A hostile registry must not make an endless message of ours. */
const MAX_WIRE_ERRORS = 10;

function parseWireError(entry: unknown): WireErrors['errors'] {
  if (typeof entry !== 'object' || entry === null || !('code' in entry)) return [];
  const message = 'message' in entry && typeof entry.message === 'string' ? entry.message.slice(0, 1024) : undefined;
  const detail = 'detail' in entry ? entry.detail : undefined;
  return [
    {
      code: String(entry.code).slice(0, 64),
      ...(message === undefined ? {} : { message }),
      ...(detail === undefined ? {} : { detail }),
    },
  ];
}

/** One of our codes for a word that another registry sent, else what its status means. */
export function codeFromWire(word: string | undefined, status: number, fallback: OciCode): OciCode {
  if (word !== undefined && Object.hasOwn(STATUS_OF_CODE, word)) return word as OciCode;
  if (status === 401) return 'UNAUTHORIZED';
  if (status === 403) return 'DENIED';
  if (status === 404) return fallback;
  if (status === 405) return 'UNSUPPORTED';
  if (status === 413) return 'MANIFEST_TOO_LARGE';
  if (status === 416) return 'RANGE_INVALID';
  if (status === 429) return 'TOOMANYREQUESTS';
  return 'UPSTREAM_UNAVAILABLE';
}
