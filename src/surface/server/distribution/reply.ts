import type { ServedBy } from '#core/registry';
import { API_VERSION, type Exchange } from './exchange.ts';

type Body = Blob | ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> | string | null;

/** Spec, "Warnings": no more than 4096 bytes of them in all. */
const MAX_WARNING_BYTES = 4096;

/**
 * An answer with prepared headers. They are shared between requests: the id is set and the Response copies them
 * before anything else can run, which costs a third of making them anew.
 */
export function reply(exchange: Exchange, status: number, prepared: Headers, body: Body): Response {
  const headers = exchange.served && saysMore(exchange.served) ? withServed(prepared, exchange.served) : prepared;
  headers.set('x-request-id', exchange.call.requestId);
  return new Response(body, { status, headers });
}

/** An answer with headers of its own. */
export function answer(
  exchange: Exchange,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: Body = null,
): Response {
  return reply(exchange, status, new Headers({ ...API_VERSION, ...headers }), body);
}

export function answerJson(exchange: Exchange, json: string, headers: Readonly<Record<string, string>> = {}): Response {
  exchange.bytesOut = json.length;
  return answer(exchange, 200, { 'content-type': 'application/json', ...headers }, json);
}

function saysMore(served: ServedBy): boolean {
  return served.warnings.length > 0 || served.ageSeconds !== undefined || served.verdict !== undefined;
}

function withServed(prepared: Headers, served: ServedBy): Headers {
  const headers = new Headers(prepared);
  if (served.ageSeconds !== undefined) headers.set('age', String(Math.max(0, Math.floor(served.ageSeconds))));
  if (served.verdict !== undefined) headers.set('x-entrepot-cache', served.verdict);
  let bytesLeft = MAX_WARNING_BYTES;
  for (const warning of served.warnings) {
    const value = warningValue(warning);
    bytesLeft -= value.length;
    if (bytesLeft < 0) break;
    headers.append('warning', value);
  }
  return headers;
}

/** `299 - "…"`, in the characters that a header may have. Spec, "Warnings". */
function warningValue(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]/g, '?').replace(/[\\"]/g, '\\$&');
  return `299 - "${plain}"`;
}
