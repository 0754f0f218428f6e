import type { ServedBy } from '#core/registry';
import { API_VERSION, type Exchange } from './exchange.ts';

type Body = Blob | ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> | string | null;

/** Spec, "Warnings": no more than 4096 bytes of them in all. */
const MAX_WARNING_BYTES = 4096;

/**
 * An answer with prepared headers. They are shared between requests: the id is set and the Response copies them
 * before anything else can run, which costs a third of making them anew.
 */
export function reply(exchange: Exchange, prepared: Headers, { status, body }: Content): Response {
  const headers = exchange.served && saysMore(exchange.served) ? withServed(prepared, exchange.served) : prepared;
  headers.set('x-request-id', exchange.call.requestId);
  return new Response(body, { status, headers });
}

export type Content = { readonly status: number; readonly body: Body };

/** An answer with headers of its own and nothing else. */
export function answer(exchange: Exchange, status: number, headers: PlainHeaders): Response {
  return answerWith(exchange, headers, { status, body: null });
}

export type PlainHeaders = Readonly<Record<string, string>>;

export function answerWith(exchange: Exchange, headers: PlainHeaders, content: Content): Response {
  return reply(exchange, new Headers({ ...API_VERSION, ...headers }), content);
}

export function answerJson(exchange: Exchange, json: string, headers: PlainHeaders = {}): Response {
  exchange.bytesOut = Buffer.byteLength(json);
  const content = { status: 200, body: json };
  return answerWith(exchange, { 'content-type': 'application/json', ...headers }, content);
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
