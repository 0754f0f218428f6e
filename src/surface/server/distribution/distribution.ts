import { RegistryError, type RegistryRequest, type RequestKind } from '#core/oci';
import type { Call, Principal, Registry } from '#core/registry';
import type { Clock, Log } from '#core/std';
import type { Access, Action } from '../access.ts';
import type { AccessSink } from '../access-log.ts';
import { DEFAULT_LIMITS, type ServerLimits } from '../limits.ts';
import type { ServerMetrics } from '../metrics.ts';
import { createRequestIds } from '../request-id.ts';
import { partsOf, type UrlParts } from '../url.ts';
import { blobHandlers } from './blob.ts';
import { catalogHandlers } from './catalog.ts';
import { asRegistryError, errorFields, toResponse } from './error.ts';
import type { Env, Exchange, Handlers } from './exchange.ts';
import { createManifestHeaders, manifestHandlers } from './manifest.ts';
import type { ResolveName } from './name.ts';
import { pingHandlers } from './ping.ts';
import { createReader } from './reader.ts';
import { type Arrival, createRecorder, type Recorder } from './record.ts';
import { referrerHandlers } from './referrer.ts';
import { tagHandlers } from './tag.ts';
import { uploadHandlers } from './upload.ts';

/** Everything that a request can be, and who answers it: a new kind without a handler does not compile. */
const HANDLERS: Handlers = {
  ...pingHandlers,
  ...catalogHandlers,
  ...manifestHandlers,
  ...blobHandlers,
  ...uploadHandlers,
  ...tagHandlers,
  ...referrerHandlers,
};

/** What a kind of request does to its repository. */
const ACTION_OF_KIND: Readonly<Record<RequestKind | 'invalid', Action | undefined>> = {
  invalid: undefined,
  ping: undefined,
  // Filtered by what the caller may pull.
  catalog: undefined,
  manifestGet: 'pull',
  manifestHead: 'pull',
  blobGet: 'pull',
  blobHead: 'pull',
  tags: 'pull',
  referrers: 'pull',
  manifestPut: 'push',
  uploadStart: 'push',
  blobPost: 'push',
  blobMount: 'push',
  uploadStatus: 'push',
  uploadPatch: 'push',
  uploadCommit: 'push',
  uploadCancel: 'push',
  manifestDelete: 'delete',
  blobDelete: 'delete',
};

export type DistributionOptions = {
  readonly registry: Registry;
  readonly access: Access;
  /** Where clients may use other names than those of the registry: see `createNames`. */
  readonly names?: ResolveName;
  readonly log: Log;
  readonly accessLog: AccessSink;
  readonly metrics: ServerMetrics;
  readonly clock: Clock;
  /** Milliseconds from any beginning, with fractions, such as `performance.now`. */
  readonly timer: () => number;
  /** 0 up to 1, such as `Math.random`. */
  readonly random: () => number;
  readonly limits?: Partial<ServerLimits>;
};

/** What the server tells of a connection. `Bun.serve` gives it; a test needs none. */
export type Connection = {
  requestIP(request: Request): { readonly address: string } | null;
  timeout(request: Request, seconds: number): void;
};

export type Distribution = {
  /** `parts` is what whoever routed the request has already read of its URL. */
  fetch(request: Request, connection?: Connection, parts?: UrlParts): Promise<Response>;
  /** The answer to a request that was refused before it got here, logged and counted like every other. */
  refuse(error: RegistryError, request: Request, connection?: Connection): Response;
};

/** The status that logs say for a client that left before its answer; nobody receives it. */
const CLIENT_LEFT = 499;

/** What is left of a body after its answer is thrown away for so long; then whoever still sends is cut. */
const AFTER_BODY_SECONDS = 30;

/** The distribution API over a registry: everything under `/v2/`. Never rejects. */
export function createDistribution(options: DistributionOptions): Distribution {
  const { clock, timer } = options;
  const env: Env = {
    registry: options.registry,
    access: options.access,
    clock,
    log: options.log,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    manifestHeaders: createManifestHeaders(),
  };
  const nextRequestId = createRequestIds(options.random);
  const recorder = createRecorder(options);
  const readRequest = createReader();
  const { names } = options;
  const serve = async (arrival: Arrival, { search, authority }: UrlParts): Promise<Response> => {
    const { http, path } = arrival;
    recorder.begin();
    let exchange: Exchange | undefined;
    try {
      const asked = readRequest(http.method, path, search);
      arrival.kind = asked.kind;
      const request = names ? names(asked, authority) : asked;
      if (request !== asked) noteName(arrival, asked, request);
      const identity = env.access.identify(http);
      arrival.principal = identity instanceof Promise ? await identity : identity;
      exchange = createExchange(env, arrival, arrival.principal);
      const response = await dispatch(request, exchange);
      recorder.answered(arrival, exchange, response);
      if (exchange.longBody) watchCut(recorder, arrival, { exchange, status: response.status });
      return response;
    } catch (thrown) {
      return failed(thrown, arrival, { exchange, env, recorder });
    }
  };
  const arrivalOf = (http: Request, path: string, connection: Connection | undefined): Arrival => ({
    http,
    path,
    requestId: nextRequestId(),
    address: connection?.requestIP(http)?.address ?? '',
    timeMs: clock.now(),
    startMs: timer(),
    kind: 'invalid',
    principal: undefined,
    repository: undefined,
    ns: undefined,
  });
  return {
    fetch(http, connection, parts = partsOf(http.url)) {
      const arrival = arrivalOf(http, parts.path, connection);
      if (http.method === 'GET' || http.body === null) return serve(arrival, parts);
      // Bun's idle timer does not see the bytes of a body: `pacedBody` watches those instead.
      connection?.timeout(http, 0);
      return serve(arrival, parts).finally(() => connection?.timeout(http, AFTER_BODY_SECONDS));
    },
    refuse(error, http, connection) {
      recorder.begin();
      return failed(error, arrivalOf(http, partsOf(http.url).path, connection), { exchange: undefined, env, recorder });
    },
  };
}

/** A name that was resolved stands in the log beside the path, and `ns` is said back. Spec, "Registry Proxying". */
function noteName(arrival: Arrival, asked: RegistryRequest, request: RegistryRequest): void {
  if ('repository' in request) arrival.repository = request.repository;
  if ('ns' in asked) arrival.ns = asked.ns;
}

function createExchange(env: Env, { http, requestId, kind, ns }: Arrival, principal: Principal): Exchange {
  const call: Call = {
    principal,
    requestId,
    purpose: ACTION_OF_KIND[kind] === 'pull' ? 'pull' : 'push',
    // Asked for, a signal is made: a fifth of the cost of answering a manifest that is at hand.
    get signal() {
      return http.signal;
    },
  };
  return {
    env,
    http,
    call,
    bytesIn: 0,
    bytesOut: 0,
    ns,
    served: undefined,
    errorHeaders: undefined,
    longBody: false,
    closes: false,
  };
}

function dispatch(request: RegistryRequest, exchange: Exchange): Promise<Response> {
  const action = ACTION_OF_KIND[request.kind];
  const handle = () => handlerOf(request.kind)(request, exchange);
  if (action === undefined || !('repository' in request)) return handle();
  const { access } = exchange.env;
  const { principal } = exchange.call;
  const isAllowed = access.authorize(principal, action, request.repository);
  if (isAllowed === true) return handle();
  return Promise.resolve(isAllowed).then((allowed) => {
    if (allowed) return handle();
    throw new RegistryError('DENIED', `${principal.name} may not ${action} ${request.repository}`, {
      hint: 'see "access" in the registry’s configuration',
    });
  });
}

/** TypeScript cannot tell that a key and its value in the table belong together; the table's type made sure of it. */
function handlerOf(kind: RequestKind): (request: RegistryRequest, exchange: Exchange) => Promise<Response> {
  return HANDLERS[kind] as (request: RegistryRequest, exchange: Exchange) => Promise<Response>;
}

function watchCut(
  recorder: Recorder,
  arrival: Arrival,
  { exchange, status }: { exchange: Exchange; status: number },
): void {
  arrival.http.signal.addEventListener('abort', () => recorder.cut(arrival, exchange, status), { once: true });
}

type Failing = { readonly exchange: Exchange | undefined; readonly env: Env; readonly recorder: Recorder };

function failed(thrown: unknown, arrival: Arrival, { exchange, env, recorder }: Failing): Response {
  const { requestId, http } = arrival;
  const error = asRegistryError(thrown, requestId);
  const hasLeft = http.signal.aborted;
  const status = hasLeft ? CLIENT_LEFT : error.status;
  if (error.status >= 500 && !hasLeft) {
    const fields = { requestId, method: http.method, path: arrival.path, ...errorFields(error) };
    // What an upstream did is worth a look; what we did is a fault.
    if (error.origin === 'upstream') env.log.warn('request failed upstream', fields);
    else env.log.error('request failed', fields);
  }
  recorder.answered(arrival, exchange, { status, error });
  const closing = exchange?.closes ? { connection: 'close' } : {};
  const namespace = arrival.ns === undefined ? {} : { 'oci-namespace': arrival.ns };
  return toResponse(error, requestId, { ...exchange?.errorHeaders, ...namespace, ...closing });
}
