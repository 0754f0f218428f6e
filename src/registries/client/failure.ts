import {
  Bounds,
  type OciCode,
  parseWireErrors,
  RegistryError,
  type RegistryErrorOptions,
  STATUS_OF_CODE,
  type UpstreamFact,
} from '#core/oci';
import { messageOf, type NetworkTrouble, networkTroubleOf, parseRetryAfter, systemCodeOf } from '#core/std';
import { DeadlinePassed } from './deadline.ts';
import { proxyName } from './proxy-setting.ts';

/** One exchange, as its errors tell of it. */
export type Attempt = {
  readonly registry: string;
  readonly method: string;
  readonly url: URL;
  readonly attempt: number;
  readonly proxy?: string | undefined;
  /** It was its token server that was asked. */
  readonly isToken?: boolean;
};

/** What a registry answered that we did not ask for. */
export type Refusal = {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** What 404 means here. */
  readonly unknown: OciCode;
  readonly nowMs: number;
  /** Who we were and what we asked to be allowed. */
  readonly identity: string;
  readonly scopes: readonly string[];
  readonly deniedMeansUnknown?: boolean | undefined;
};

/** Header under which products name a request in their own logs. */
const REQUEST_ID_HEADERS = [
  'x-request-id',
  'docker-request-id',
  'x-amzn-requestid',
  'x-amz-request-id',
  'x-github-request-id',
  'x-ms-correlation-request-id',
];

/** `METHOD url` without its query: signed URLs and upload states are secrets. */
function requestName({ method, url }: Attempt): string {
  return `${method} ${url.origin}${url.pathname}`;
}

function factOf(attempt: Attempt, status?: number, headers?: Headers): UpstreamFact {
  const requestId = headers && REQUEST_ID_HEADERS.map((name) => headers.get(name)).find((value) => value !== null);
  return {
    registry: attempt.registry,
    request: requestName(attempt),
    ...(attempt.isToken ? { endpoint: 'token' } : {}),
    ...(status === undefined ? {} : { status }),
    ...(requestId ? { requestId: requestId.slice(0, 128) } : {}),
    attempts: attempt.attempt,
  };
}

/** A registry's refusal as our error: its own words stay in `why`. */
export function refusalError(attempt: Attempt, refusal: Refusal): RegistryError {
  const errors = parseWireErrors(refusal.text);
  const code = codeOf(refusal, errors[0]?.code, refusal.text);
  const words = errors.map((error) => [error.code, error.message].filter(Boolean).join(': ')).join('; ');
  const said = words || plainWords(refusal.text);
  const retryAfterMs = parseRetryAfter(refusal.headers.get('retry-after'), refusal.nowMs);
  const who = attempt.isToken ? `the token server of ${attempt.registry}` : attempt.registry;
  return new RegistryError(code, `${who} answered ${refusal.status} to ${requestName(attempt)}`, {
    origin: 'upstream',
    upstream: factOf(attempt, refusal.status, refusal.headers),
    ...(said === '' ? {} : { why: `${attempt.registry} said "${said}"` }),
    ...hintOf(code, attempt.registry, refusal),
    ...(errors[0]?.detail === undefined ? {} : { detail: errors[0].detail }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** 404 with one of these words says more than the place does. */
const UNKNOWN_CODES: readonly string[] = [
  'NAME_UNKNOWN',
  'MANIFEST_UNKNOWN',
  'BLOB_UNKNOWN',
  'BLOB_UPLOAD_UNKNOWN',
  'MANIFEST_BLOB_UNKNOWN',
];

const CODE_OF_STATUS: Readonly<Record<number, OciCode>> = {
  401: 'UNAUTHORIZED',
  405: 'UNSUPPORTED',
  408: 'UPSTREAM_TIMEOUT',
  413: 'BLOB_TOO_LARGE',
  416: 'RANGE_INVALID',
  425: 'UPSTREAM_UNAVAILABLE',
  429: 'TOOMANYREQUESTS',
  501: 'UNSUPPORTED',
  504: 'UPSTREAM_TIMEOUT',
  507: 'INSUFFICIENT_STORAGE',
};

function codeOf(refusal: Refusal, word: string | undefined, text: string): OciCode {
  const { status } = refusal;
  // ECR answers 400, Harbor 412, others 409; the sentence is what they have in common.
  if (status >= 400 && status < 500 && /immutable/i.test(text)) return 'TAG_IMMUTABLE';
  if (status === 404) return word !== undefined && UNKNOWN_CODES.includes(word) ? (word as OciCode) : refusal.unknown;
  if (status === 403) return refusal.deniedMeansUnknown ? refusal.unknown : 'DENIED';
  const byStatus = CODE_OF_STATUS[status];
  if (byStatus) return byStatus;
  if (status < 400 || status >= 600) return 'UPSTREAM_INVALID';
  if (status >= 500) return 'UPSTREAM_UNAVAILABLE';
  return isClientCode(word) ? word : 'REQUEST_INVALID';
}

function isClientCode(word: string | undefined): word is OciCode {
  return word !== undefined && Object.hasOwn(STATUS_OF_CODE, word) && STATUS_OF_CODE[word as OciCode] < 500;
}

/** The beginning of a body that is not JSON, unless it is a page for browsers. */
function plainWords(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.startsWith('<') ? '' : line.slice(0, 200);
}

function hintOf(code: OciCode, registry: string, refusal: Refusal): { hint?: string } {
  const asked = refusal.scopes.length === 0 ? '' : ` for ${refusal.scopes.join(' ')}`;
  if (code === 'UNAUTHORIZED') {
    const remedy =
      refusal.identity === 'anonymous'
        ? `set registries."${registry}".credentials, or log in with docker or podman`
        : 'check that the password or token still holds';
    return { hint: `asked as ${refusal.identity}${asked}: ${remedy}` };
  }
  if (code === 'DENIED') return { hint: `asked as ${refusal.identity}${asked}: give that account the access it lacks` };
  if (code === 'TOOMANYREQUESTS') return { hint: 'wait, or use credentials with a higher limit' };
  return {};
}

/** Failures of the system that trying again does not mend. */
const LASTING = /^(ENOTFOUND|ERR_INVALID|ERR_PROXY_TUNNEL|ERR_TLS|.*CERT|.*SIGNED|UNABLE_TO_|ERR_SSL)/;

/** The connection was there and then was not. */
const BROKEN_OFF = /^(ECONNRESET|EPIPE|ConnectionClosed)$/;

/** What came is not an HTTP response: garbage, or headers beyond what the runtime holds. */
const NO_HTTP = /^(Malformed_HTTP_Response|InvalidHTTPResponse|InvalidContentLength|ResponseHeadersTooLarge)$/;

/** An exchange that ended without an answer, or in the middle of one. */
export function brokenError(attempt: Attempt, thrown: unknown): RegistryError {
  const code = systemCodeOf(thrown) ?? '';
  const name = requestName(attempt);
  const common = { origin: 'upstream', upstream: factOf(attempt), cause: thrown } as const;
  if (thrown instanceof DeadlinePassed) {
    return new RegistryError('UPSTREAM_TIMEOUT', `${attempt.registry} did not answer ${name}`, {
      ...common,
      why: thrown.message,
    });
  }
  if (isProxyFailure(attempt, code)) {
    return proxyError(attempt, proxyWords(thrown, code), common);
  }
  if (NO_HTTP.test(code)) return invalidError(attempt, firstSentence(thrown) || code);
  if (BROKEN_OFF.test(code)) {
    return new RegistryError('UPSTREAM_UNAVAILABLE', `${attempt.registry} broke off ${name}`, {
      ...common,
      why: firstSentence(thrown) || code,
      hint: 'try again later; if it stays, look for what cuts the connection: that registry, a proxy, a firewall',
    });
  }
  const hint = remedyOf(networkTroubleOf(thrown), attempt);
  return new RegistryError('UPSTREAM_UNAVAILABLE', `${attempt.registry} could not be reached for ${name}`, {
    ...common,
    why: firstSentence(thrown) || code,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** A connection that fails through a proxy fails at the proxy: nobody else is connected to. */
function isProxyFailure(attempt: Attempt, code: string): boolean {
  if (code === 'ERR_PROXY_TUNNEL') return true;
  return attempt.proxy !== undefined && /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/.test(code);
}

export function proxyError(attempt: Attempt, why: string, options: RegistryErrorOptions = {}): RegistryError {
  const proxy = attempt.proxy === undefined ? 'the proxy' : `the proxy ${proxyName(attempt.proxy)}`;
  return new RegistryError('PROXY_FAILED', `${proxy} did not reach ${attempt.registry}`, {
    origin: 'upstream',
    upstream: factOf(attempt),
    ...options,
    why,
    hint: 'check proxyUrl, HTTPS_PROXY and NO_PROXY, and that the proxy lets us through',
  });
}

/** What the runtime's words for the commonest troubles mean. */
const PLAIN_WORDS: Readonly<Partial<Record<NetworkTrouble, string>>> = {
  'name-unknown': 'its name is not known to the DNS',
  'no-resolver': 'no DNS server answered for its name',
  'nobody-listens': 'nothing listens there',
  'certificate-expired': 'its certificate has expired',
  'certificate-not-yet-valid': 'its certificate is not valid yet',
  'certificate-of-another': 'its certificate is for another name',
  'no-tls': 'it does not speak TLS there',
};

function remedyOf(trouble: NetworkTrouble | undefined, { registry, url }: Attempt): string | undefined {
  const entry = `registries."${registry}"`;
  switch (trouble) {
    case 'name-unknown':
    case 'no-resolver':
      return `check the spelling of ${url.hostname}, and that this machine’s DNS can resolve it`;
    case 'certificate-expired':
      return `its operator has to renew it; if it is new, check the clock of this machine`;
    case 'certificate-not-yet-valid':
      return 'check the clock of this machine';
    case 'certificate-of-another':
      return `check that the DNS leads ${url.hostname} to the right machine; if it does, name ${entry}.url as the certificate says`;
    case 'certificate-of-strangers':
      return `set ${entry}.ca to the authority that signed it`;
    case 'no-tls':
      return `set ${entry}.insecure where it speaks plain HTTP`;
    default:
      return undefined;
  }
}

function proxyWords(thrown: unknown, code: string): string {
  const words = firstSentence(thrown);
  return code === '' || words.includes(code) ? words : `${code}: ${words}`;
}

/** Bun adds advice for its own users. */
function firstSentence(thrown: unknown): string {
  const trouble = networkTroubleOf(thrown);
  const known = trouble && PLAIN_WORDS[trouble];
  if (known) return `${known} (${systemCodeOf(thrown)})`;
  return messageOf(thrown).replace(/\. (?:Is the computer|For more information).*$/s, '');
}

/** A registry whose answer cannot be true. */
export function invalidError(attempt: Attempt, why: string, hint?: string): RegistryError {
  return new RegistryError('UPSTREAM_INVALID', `${attempt.registry} gave a wrong answer to ${requestName(attempt)}`, {
    origin: 'upstream',
    upstream: factOf(attempt),
    why,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Statuses that pass by themselves. RFC 9110; 5xx but those that say "never". */
function isPassing(status: number): boolean {
  if (status === 408 || status === 425 || status === 429) return true;
  return status >= 500 && status !== 501 && status !== 505 && status !== 507 && status !== 511;
}

/** Whether asking again may help. */
export function isTransient(error: RegistryError): boolean {
  if (error.origin !== 'upstream') return false;
  if (error.upstream?.status !== undefined) return isPassing(error.upstream.status);
  if (error.code === 'UPSTREAM_TIMEOUT') return true;
  if (error.code !== 'UPSTREAM_UNAVAILABLE' && error.code !== 'PROXY_FAILED') return false;
  return !LASTING.test(systemCodeOf(error.cause) ?? '');
}

/** Bytes of an error's body that are read. */
export const ERROR_BODY_BYTES = Bounds.errorBodyBytes;
