import { RegistryError } from '#core/oci';
import { drop } from './answer.ts';
import type { Ask, Body, RequestFact, Timeouts, TransportOptions } from './ask.ts';
import type { Deadline } from './deadline.ts';
import { type Attempt, brokenError, proxyError } from './failure.ts';
import { proxyFor } from './proxy-setting.ts';
import { parseRateLimit, type RateLimit } from './rate-limit.ts';

export type Hop = {
  readonly url: URL;
  readonly authorization: string | undefined;
  readonly attempt: number;
  readonly kind: RequestFact['kind'];
};

export type Wire = (ask: Ask, hop: Hop, deadline: Deadline) => Promise<Response>;

/** One HTTP request and nothing else. */
export function createWire(options: TransportOptions, seenLimit: (limit: RateLimit) => void): Wire {
  return async (ask, hop, deadline) => {
    const proxy = proxyFor(hop.url, options.proxy);
    const { url } = hop;
    const isToken = hop.kind === 'token';
    const attempt: Attempt = { registry: options.host, method: ask.method, url, attempt: hop.attempt, proxy, isToken };
    const fact = { method: ask.method, url: hop.url.origin + hop.url.pathname, attempt: hop.attempt, kind: hop.kind };
    try {
      // Bytes in memory leave as one piece, which takes its time on a slow line.
      if (isWatched(ask.body)) deadline.pause();
      else deadline.touch(ask.body?.kind === 'bytes' ? options.timeouts.commitMs : options.timeouts.responseMs);
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
      throw thrownBy(thrown, { ask, deadline, attempt });
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

type Broken = { readonly ask: Ask; readonly deadline: Deadline; readonly attempt: Attempt };

/** The caller's own reason stays as it is; so does what broke the body that the caller gave. */
function thrownBy(thrown: unknown, { ask, deadline, attempt }: Broken): unknown {
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

function isWatched(body: Body | undefined): boolean {
  return body?.kind === 'stream' && body.isWatched === true;
}

function bodyOf(body: Body, deadline: Deadline, timeouts: Timeouts): Uint8Array | ReadableStream<Uint8Array> {
  if (body.kind === 'bytes') return body.bytes;
  if (body.isWatched) return body.stream;
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
