import { type OciCode, RegistryError } from '#core/oci';
import { type ByteStream, type Clock, createLimiter, type RetryPolicy, retry } from '#core/std';
import { type Answer, createAnswer, drop } from './answer.ts';
import type { CredentialSource } from './credential.ts';
import { createDeadline, type Deadline } from './deadline.ts';
import {
  type Attempt,
  brokenError,
  ERROR_BODY_BYTES,
  invalidError,
  isTransient,
  proxyError,
  refusalError,
} from './failure.ts';
import { type ProxySetting, proxyFor } from './proxy-setting.ts';
import type { Quirks } from './quirks.ts';
import { parseRateLimit, type RateLimit } from './rate-limit.ts';
import { formatScopes, type Scope } from './scope.ts';
import { type Authorizer, createAuthorizer } from './token.ts';
import { createTokenFetch, type TokenHttp } from './token-request.ts';
import type { Trust } from './trust.ts';

/** The part of `fetch` that is used. Streams go out with the Content-Length that they are given. */
export type Fetch = (url: string, init: BunFetchRequestInit) => Promise<Response>;

/** How long nothing may happen. Milliseconds. */
export type Timeouts = {
  /** From the request's end to the answer's first byte. */
  readonly responseMs: number;
  /** The same after a blob was sent: registries hash it and move it to its place, some between two buckets. */
  readonly commitMs: number;
  /** Between two pieces of a body. */
  readonly idleMs: number;
};

export type Body =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'stream'; readonly stream: ByteStream; readonly size?: number | undefined };

/** One request, and which answers are answers. */
export type Ask = {
  readonly method: string;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Body | undefined;
  readonly scopes: readonly Scope[];
  /** Statuses that the caller understands; any other is thrown. */
  readonly accept: readonly number[];
  /** What 404 means. */
  readonly unknown: OciCode;
  /** False where a second try could do a second thing. */
  readonly repeatable?: boolean;
  readonly signal?: AbortSignal | undefined;
};

/** What an observer may know of a request: no headers, no query. */
export type RequestFact = {
  readonly method: string;
  readonly url: string;
  readonly status?: number;
  readonly attempt: number;
  readonly kind: 'registry' | 'token' | 'redirect';
};

export type TransportOptions = {
  readonly host: string;
  readonly registry: URL;
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly random: () => number;
  readonly credentials: CredentialSource;
  readonly quirks: Quirks;
  readonly trust: Trust;
  readonly userAgent: string;
  readonly ca?: string | undefined;
  readonly proxy?: ProxySetting | undefined;
  readonly timeouts: Timeouts;
  readonly retry: RetryPolicy;
  readonly observe?: ((fact: RequestFact) => void) | undefined;
};

export type Transport = {
  send(ask: Ask): Promise<Answer>;
  rateLimit(): RateLimit | undefined;
};

/** A registry that asks us to wait longer than this gets no second try: the caller decides. */
const RETRY_AFTER_CAP_MS = 60_000;
/** Registry → CDN → region is two; more is a loop. */
const MAX_REDIRECTS = 5;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

type Hop = {
  readonly url: URL;
  readonly authorization: string | undefined;
  readonly attempt: number;
  readonly kind: RequestFact['kind'];
};

export function createTransport(options: TransportOptions): Transport {
  // Reads give their place back with the headers, writes when all is sent: a copy within one registry cannot lock itself.
  const reads = createLimiter(options.quirks.concurrency);
  const writes = createLimiter(options.quirks.concurrency);
  let rateLimit: RateLimit | undefined;
  const wire = createWire(options, (seen) => {
    rateLimit = seen;
  });
  const authorizer = createAuthorizer({
    ...options,
    preemptive: options.quirks.preemptive,
    fetchToken: createTokenFetch(tokenHttp(options, wire, () => authorizer.identity())),
  });
  const exchange = createExchange(options, wire, authorizer);
  return {
    rateLimit: () => rateLimit,
    send(ask) {
      const limiter = ask.method === 'GET' || ask.method === 'HEAD' ? reads : writes;
      const isRepeatable = ask.repeatable !== false && ask.body?.kind !== 'stream';
      return retry((attempt) => limiter.run(() => exchange(ask, attempt), ask.signal), {
        policy: isRepeatable ? options.retry : { ...options.retry, attempts: 1 },
        clock: options.clock,
        random: options.random,
        signal: ask.signal,
        judge: retryVerdict,
      });
    },
  };
}

function retryVerdict(thrown: unknown) {
  if (!(thrown instanceof RegistryError) || !isTransient(thrown)) return undefined;
  const waitMs = thrown.retryAfterMs;
  if (waitMs === undefined) return {};
  return waitMs > RETRY_AFTER_CAP_MS ? undefined : { waitMs };
}

type Wire = (ask: Ask, hop: Hop, deadline: Deadline) => Promise<Response>;

/** One HTTP request and nothing else. */
function createWire(options: TransportOptions, seenLimit: (limit: RateLimit) => void): Wire {
  return async (ask, hop, deadline) => {
    const proxy = proxyFor(hop.url, options.proxy);
    const attempt: Attempt = { registry: options.host, method: ask.method, url: hop.url, attempt: hop.attempt, proxy };
    const fact = { method: ask.method, url: hop.url.origin + hop.url.pathname, attempt: hop.attempt, kind: hop.kind };
    try {
      deadline.touch(options.timeouts.responseMs);
      const response = await options.fetch(hop.url.href, fetchInit(ask, { hop, deadline, proxy }, options));
      deadline.pause();
      options.observe?.({ ...fact, status: response.status });
      if (response.status === 407) {
        await drop(response);
        throw proxyError(attempt, 'it answered 407 Proxy Authentication Required');
      }
      const limit = hop.kind === 'registry' ? parseRateLimit(response.headers, options.clock.now()) : undefined;
      if (limit) seenLimit(limit);
      return response;
    } catch (thrown) {
      deadline.end();
      if (thrown instanceof RegistryError) throw thrown;
      options.observe?.(fact);
      throw thrownBy(thrown, ask, deadline, attempt);
    }
  };
}

type Exchange = { readonly hop: Hop; readonly deadline: Deadline; readonly proxy: string | undefined };

function fetchInit(ask: Ask, { hop, deadline, proxy }: Exchange, options: TransportOptions): BunFetchRequestInit {
  return {
    method: ask.method,
    headers: headersOf(ask, hop, options),
    redirect: 'manual',
    signal: deadline.signal,
    // Bytes are what a digest is of: nobody unpacks them on the way.
    decompress: false,
    ...(ask.body ? { body: bodyOf(ask.body, deadline, options.timeouts) } : {}),
    ...(options.ca === undefined ? {} : { tls: { ca: options.ca } }),
    ...(proxy === undefined ? {} : { proxy }),
  };
}

/** The caller's own reason stays as it is; so does what broke the body that the caller gave. */
function thrownBy(thrown: unknown, ask: Ask, deadline: Deadline, attempt: Attempt): unknown {
  if (ask.signal?.aborted) return ask.signal.reason;
  if (thrown instanceof BodyFailed) return thrown.cause;
  return brokenError(attempt, deadline.signal.aborted ? deadline.signal.reason : thrown);
}

/** A body that failed before the network did. */
class BodyFailed extends Error {}

function headersOf(ask: Ask, hop: Hop, options: TransportOptions): Record<string, string> {
  const size = ask.body?.kind === 'bytes' ? ask.body.bytes.byteLength : ask.body?.size;
  return {
    'user-agent': options.userAgent,
    'accept-encoding': 'identity',
    ...ask.headers,
    // Given to fetch, a stream goes out with this length instead of in chunks, which several registries refuse.
    ...(size === undefined ? {} : { 'content-length': String(size) }),
    ...(hop.authorization === undefined ? {} : { authorization: hop.authorization }),
  };
}

function bodyOf(body: Body, deadline: Deadline, timeouts: Timeouts): Uint8Array | ReadableStream<Uint8Array> {
  if (body.kind === 'bytes') return body.bytes;
  const reader = body.stream.getReader();
  let sentBytes = 0;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        deadline.pause();
        try {
          const { done, value } = await reader.read();
          if (!done) sentBytes += value.byteLength;
          checkLength(sentBytes, done, body.size);
          if (done) controller.close();
          else controller.enqueue(value);
          deadline.touch(done ? timeouts.commitMs : timeouts.idleMs);
        } catch (cause) {
          await reader.cancel(cause).catch(() => {});
          controller.error(new BodyFailed('the body failed', { cause }));
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

function checkLength(sentBytes: number, done: boolean, size: number | undefined): void {
  if (size === undefined || (done ? sentBytes === size : sentBytes <= size)) return;
  throw new RegistryError('SIZE_INVALID', `the content has ${done ? '' : 'at least '}${sentBytes} bytes, not ${size}`);
}

/** One attempt: authentication, redirects, and the judgement of the status. */
function createExchange(options: TransportOptions, wire: Wire, authorizer: Authorizer) {
  const { trust } = options;

  const dropWithin = async (response: Response, deadline: Deadline) => {
    deadline.touch(options.timeouts.idleMs);
    await drop(response);
    deadline.pause();
  };

  const authorized = async (ask: Ask, url: URL, attempt: number, deadline: Deadline): Promise<Response> => {
    if (!trust.takesCredentials(url)) {
      return wire(ask, { url, authorization: undefined, attempt, kind: 'redirect' }, deadline);
    }
    const sent = await authorizer.authorization(ask.scopes);
    const response = await wire(ask, { url, authorization: sent, attempt, kind: 'registry' }, deadline);
    // A body that was read once cannot be sent again with a better token.
    if (response.status !== 401 || ask.body?.kind === 'stream') return response;
    const next = await authorizer.challenged(response.headers.get('www-authenticate'), ask.scopes, sent);
    if (next === undefined) return response;
    await dropWithin(response, deadline);
    return wire(ask, { url, authorization: next, attempt, kind: 'registry' }, deadline);
  };

  const followed = async (ask: Ask, attempt: number, deadline: Deadline): Promise<{ response: Response; url: URL }> => {
    let url = ask.url;
    for (let hops = 0; ; hops++) {
      const response = await authorized(ask, url, attempt, deadline);
      const location = REDIRECTS.includes(response.status) ? response.headers.get('location') : null;
      if (location === null) return { response, url };
      await dropWithin(response, deadline);
      const at: Attempt = { registry: options.host, method: ask.method, url, attempt };
      url = await redirectTarget(ask, { location, hops, at }, trust);
    }
  };

  return async (ask: Ask, attempt: number): Promise<Answer> => {
    ask.signal?.throwIfAborted();
    const deadline = createDeadline(ask.signal);
    try {
      const { response, url } = await followed(ask, attempt, deadline);
      const at: Attempt = { registry: options.host, method: ask.method, url, attempt };
      const answer = createAnswer(response, { at, deadline, idleMs: options.timeouts.idleMs, signal: ask.signal });
      if (ask.accept.includes(response.status)) return answer;
      throw refusalError(at, {
        status: response.status,
        headers: response.headers,
        // A refusal stands also without its words: docker-registry 2 cuts the body of a 416.
        text: await answer.text(ERROR_BODY_BYTES).catch(() => ''),
        unknown: ask.unknown,
        nowMs: options.clock.now(),
        identity: authorizer.identity(),
        scopes: formatScopes(ask.scopes),
        deniedMeansUnknown: options.quirks.deniedMeansUnknown,
      });
    } catch (thrown) {
      deadline.end();
      throw thrown;
    }
  };
}

type Redirect = { readonly location: string; readonly hops: number; readonly at: Attempt };

async function redirectTarget(ask: Ask, { location, hops, at }: Redirect, trust: Trust): Promise<URL> {
  if (hops >= MAX_REDIRECTS) throw invalidError(at, `it redirected more than ${MAX_REDIRECTS} times`);
  if (ask.method !== 'GET' && ask.method !== 'HEAD') throw invalidError(at, 'it redirected a write');
  if (!URL.canParse(location, at.url.href)) throw invalidError(at, 'it redirected to something that is not a URL');
  const target = new URL(location, at.url);
  const reason = await trust.target(target, at.url);
  if (reason) {
    const hint = `if it is right, name its host in registries."${at.registry}".trustedHosts`;
    throw invalidError(at, `it redirected to ${target.origin}: ${reason}`, hint);
  }
  return target;
}

/** Token servers answer some kilobytes. */
const TOKEN_BODY_BYTES = 256 * 1024;

function tokenHttp(options: TransportOptions, wire: Wire, identity: () => string): TokenHttp {
  return async ({ method, url, headers, body, identityScopes }) => {
    // A token is shared by whoever waits for it: no single caller's signal ends it.
    const deadline = createDeadline(undefined);
    const bytes = body === undefined ? undefined : new TextEncoder().encode(body);
    const ask: Ask = {
      method,
      url,
      headers,
      scopes: [],
      accept: [],
      unknown: 'UNAUTHORIZED',
      ...(bytes ? { body: { kind: 'bytes', bytes } } : {}),
    };
    const at: Attempt = { registry: options.host, method, url, attempt: 1 };
    const response = await wire(ask, { url, authorization: undefined, attempt: 1, kind: 'token' }, deadline);
    const answer = createAnswer(response, { at, deadline, idleMs: options.timeouts.idleMs });
    const text = await answer.text(TOKEN_BODY_BYTES);
    const fail = () =>
      refusalError(at, {
        status: response.status === 403 ? 401 : response.status,
        headers: response.headers,
        text,
        unknown: 'UPSTREAM_INVALID',
        nowMs: options.clock.now(),
        identity: identity(),
        scopes: identityScopes,
      });
    return { status: response.status, text, fail };
  };
}
