import { API_VERSION, type Exchange } from './exchange.ts';

type Body = Blob | ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> | string | null;

/** Spec, "Warnings": no more than 4096 bytes of them in all. */
const MAX_WARNING_BYTES = 4096;

/**
 * An answer with prepared headers. They are shared between requests: the id is set and the Response copies them
 * before anything else can run, which costs a third of making them anew.
 */
export function reply(exchange: Exchange, prepared: Headers, { status, body }: Content): Response {
  const { served, ns } = exchange;
  if (served && (served.warnings.length > 0 || WARNING_OF_VERDICT.has(served.verdict))) {
    return replyWarned(exchange, prepared, { status, body });
  }
  prepared.set('x-request-id', exchange.call.requestId);
  if (ns === undefined && served?.verdict === undefined) return new Response(body, { status, headers: prepared });
  // What only this answer says is taken off again: it is cheaper than a copy of the headers for each.
  sayWay(prepared, exchange);
  const response = new Response(body, { status, headers: prepared });
  for (const name of WAY_HEADERS) prepared.delete(name);
  return response;
}

const WAY_HEADERS = ['age', 'x-entrepot-cache', 'oci-namespace'] as const;

/** How a cache came by the answer. RFC 9111, section 5.1; spec, "Registry Proxying". */
function sayWay(headers: Headers, { served, ns }: Exchange): void {
  if (served?.ageSeconds !== undefined) headers.set('age', String(Math.max(0, Math.floor(served.ageSeconds))));
  if (served?.verdict !== undefined) headers.set('x-entrepot-cache', served.verdict);
  if (ns !== undefined) headers.set('oci-namespace', ns);
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

/** RFC 7234, section 5.5: what a cache says when it could not ask. */
const WARNING_OF_VERDICT: ReadonlyMap<string | undefined, string> = new Map([
  ['stale-if-error', '110 - "Response is Stale"'],
  ['offline', '112 - "Disconnected Operation"'],
]);

function replyWarned(exchange: Exchange, prepared: Headers, { status, body }: Content): Response {
  const headers = new Headers(prepared);
  headers.set('x-request-id', exchange.call.requestId);
  sayWay(headers, exchange);
  const verdict = WARNING_OF_VERDICT.get(exchange.served?.verdict);
  if (verdict !== undefined) headers.append('warning', verdict);
  let bytesLeft = MAX_WARNING_BYTES;
  for (const warning of exchange.served?.warnings ?? []) {
    const value = warningValue(warning);
    bytesLeft -= value.length;
    if (bytesLeft < 0) break;
    headers.append('warning', value);
  }
  return new Response(body, { status, headers });
}

/** `299 - "…"`, in the characters that a header may have. Spec, "Warnings". */
function warningValue(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]/g, '?').replace(/[\\"]/g, '\\$&');
  return `299 - "${plain}"`;
}
