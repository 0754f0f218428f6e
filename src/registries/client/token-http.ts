import { createAnswer } from './answer.ts';
import type { Ask, TransportOptions } from './ask.ts';
import { createDeadline } from './deadline.ts';
import { type Attempt, refusalError } from './failure.ts';
import type { TokenHttp } from './token-request.ts';
import type { Wire } from './wire.ts';

/** Token servers answer some kilobytes. */
const TOKEN_BODY_BYTES = 256 * 1024;

/** How questions to token servers are sent. */
export function createTokenHttp(options: TransportOptions, wire: Wire, identity: () => string): TokenHttp {
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
    const at: Attempt = { registry: options.host, method, url, attempt: 1, isToken: true };
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
