/**
 * Follows one direction of an HTTP/1.1 connection as bytes go by: where messages begin and end, and how long their
 * bodies are, without holding a body. RFC 9112 section 6 (message body length).
 */
export type Body =
  | { readonly kind: 'none' | 'chunked' | 'until-close' }
  | { readonly kind: 'length'; readonly bytes: number };

export type FrameEvents = {
  /** A start line and headers; answers how the body is framed. `interim` (1xx) messages end at once. */
  readonly head: (startLine: string, headers: Headers) => Body;
  /** Payload bytes of the current message, without chunk framing; `at` is where they stand in what was pushed. */
  readonly body: (bytes: number, at: number) => void;
  readonly end: () => void;
};

export type Frames = { readonly push: (bytes: Uint8Array) => void; readonly close: () => void };

type State = 'head' | 'length' | 'size-line' | 'chunk' | 'chunk-end' | 'trailer' | 'until-close';

// Servers refuse heads far below this; a longer one means that we lost the framing.
const headMaxBytes = 256 * 1024;
const decoder = new TextDecoder('latin1');

export function createFrames(events: FrameEvents): Frames {
  let state: State = 'head';
  let left = 0;
  let held = '';

  function next(to: State, bytes = 0): void {
    state = to;
    left = bytes;
  }
  function finish(): void {
    next('head');
    events.end();
  }
  function startBody(body: Body): void {
    if (body.kind === 'chunked') next('size-line');
    else if (body.kind === 'until-close') next('until-close');
    else if (body.kind === 'length' && body.bytes > 0) next('length', body.bytes);
    else finish();
  }

  /** Text up to `mark`, over several pieces; the offset after it, or undefined while it is not all here. */
  function line(bytes: Uint8Array, from: number, mark: string): { text: string; next: number } | undefined {
    if (held === '') {
      // The usual case, and the quick one: chunks are many, and most lines come whole.
      const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      const end = whole.indexOf(mark, from, 'latin1');
      if (end >= 0) return { text: whole.toString('latin1', from, end), next: end + mark.length };
    }
    const before = held.length;
    held += decoder.decode(bytes.subarray(from));
    const at = held.indexOf(mark, Math.max(0, before - mark.length));
    if (at < 0) {
      if (held.length > headMaxBytes) throw new Error('HTTP framing lost: a head without an end');
      return undefined;
    }
    const text = held.slice(0, at);
    held = '';
    return { text, next: from + at + mark.length - before };
  }

  function skip(bytes: Uint8Array, from: number): number {
    const take = Math.min(left, bytes.length - from);
    left -= take;
    events.body(take, from);
    if (left === 0) {
      if (state === 'chunk') next('chunk-end');
      else finish();
    }
    return from + take;
  }

  function text(bytes: Uint8Array, from: number): number {
    const found = line(bytes, from, state === 'head' ? '\r\n\r\n' : '\r\n');
    if (!found) return bytes.length;
    if (state === 'head') startBody(readHead(found.text, events));
    else if (state === 'chunk-end') next('size-line');
    else if (state === 'size-line') afterSize(Number.parseInt(found.text, 16));
    else if (found.text === '') finish();
    return found.next;
  }
  function afterSize(size: number): void {
    if (!Number.isSafeInteger(size)) throw new Error('HTTP framing lost: a chunk without a size');
    if (size === 0) next('trailer');
    else next('chunk', size);
  }

  function push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (state === 'length' || state === 'chunk') at = skip(bytes, at);
      else if (state === 'until-close') {
        events.body(bytes.length - at, at);
        at = bytes.length;
      } else at = text(bytes, at);
    }
  }
  return { push, close: () => (state === 'until-close' ? finish() : undefined) };
}

function readHead(text: string, events: FrameEvents): Body {
  const [start = '', ...lines] = text.split('\r\n');
  const headers = new Headers();
  for (const each of lines) {
    const colon = each.indexOf(':');
    if (colon > 0) headers.append(each.slice(0, colon), each.slice(colon + 1).trim());
  }
  return events.head(start, headers);
}

export function requestBody(headers: Headers): Body {
  return framed(headers) ?? { kind: 'none' };
}

/** A response's body depends on what was asked: HEAD, 204 and 304 have none whatever the headers say. */
export function responseBody(method: string, status: number, headers: Headers): Body {
  if (method === 'HEAD' || status === 204 || status === 304 || status < 200) return { kind: 'none' };
  return framed(headers) ?? { kind: 'until-close' };
}

function framed(headers: Headers): Body | undefined {
  if (headers.get('transfer-encoding')?.toLowerCase().endsWith('chunked')) return { kind: 'chunked' };
  const length = headers.get('content-length');
  return length === null ? undefined : { kind: 'length', bytes: Number(length) };
}
