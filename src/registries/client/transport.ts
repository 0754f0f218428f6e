import { RegistryError } from '#core/oci';
import { createLimiter, retry } from '#core/std';
import { type Answer, createAnswer, drop } from './answer.ts';
import type { Ask, OnLimit, TransportOptions } from './ask.ts';
import { createDeadline, type Deadline } from './deadline.ts';
import { type Attempt, ERROR_BODY_BYTES, isTransient, refusalError } from './failure.ts';
import type { RateLimit } from './rate-limit.ts';
import { locationOfRedirect, redirectTarget } from './redirect.ts';
import { formatScopes } from './scope.ts';
import { type Authorizer, createAuthorizer } from './token.ts';
import { createTokenHttp } from './token-http.ts';
import { createTokenFetch } from './token-request.ts';
import { createWire, type Wire } from './wire.ts';

export type Transport = {
  send(ask: Ask): Promise<Answer>;
  rateLimit(): RateLimit | undefined;
};

/** A registry that asks us to wait longer than this gets no second try: the caller decides. */
const RETRY_AFTER_CAP_MS = 60_000;
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
    fetchToken: createTokenFetch(createTokenHttp(options, wire, () => authorizer.identity())),
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
        judge: (thrown) => retryVerdict(thrown, options.onLimit),
      });
    },
  };
}

/** Trying these again means waiting: for as long as the registry says, or for its silence. */
const LONG_FAILURES: readonly string[] = ['TOOMANYREQUESTS', 'UPSTREAM_TIMEOUT'];

function retryVerdict(thrown: unknown, onLimit: OnLimit) {
  if (!(thrown instanceof RegistryError) || !isTransient(thrown)) return undefined;
  const waitMs = thrown.retryAfterMs;
  if (onLimit === 'tell' && (waitMs !== undefined || LONG_FAILURES.includes(thrown.code))) return undefined;
  if (waitMs === undefined) return {};
  return waitMs > RETRY_AFTER_CAP_MS ? undefined : { waitMs };
}

type Try = { readonly url: URL; readonly attempt: number; readonly deadline: Deadline };

/** One attempt: authentication, redirects, and the judgement of the status. */
function createExchange(options: TransportOptions, wire: Wire, authorizer: Authorizer) {
  const { trust } = options;

  const dropWithin = async (response: Response, deadline: Deadline) => {
    deadline.touch(options.timeouts.idleMs);
    await drop(response);
    deadline.pause();
  };

  const authorized = async (ask: Ask, { url, attempt, deadline }: Try): Promise<Response> => {
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
      const response = await authorized(ask, { url, attempt, deadline });
      const location = locationOfRedirect(response);
      if (location === undefined) return { response, url };
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
