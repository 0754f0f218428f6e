import type { PathClass } from './exchange.ts';

/** A request as it came, before it goes anywhere. */
export type Seen = {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly class: PathClass;
  readonly headers: Headers;
  /** Of the requests of its method and class since the last reset, from 1. */
  readonly nth: number;
};

/** What happens to one exchange. Bytes of a body are counted from 0 and as they are on the wire. */
export type Fault = {
  /** Before the request goes on. */
  readonly latencyMs?: number;
  /** Answered here; the server never hears of it. */
  readonly answer?: Answer;
  /** Nothing comes: not even a head, or no more than so many bytes of the body. The connection stays. */
  readonly hangAt?: 'head' | number;
  /** The connection ends instead of the head, or after so many bytes of the body. */
  readonly cutAt?: 'head' | number;
  /** This byte of the body is another one. */
  readonly damageAt?: number;
  /** The body is so long, and its Content-Length says so: cut short, or filled up with zeros. */
  readonly resizeTo?: number;
  /** Headers of the answer that say something else; null: that are not there. */
  readonly headers?: Readonly<Record<string, string | null>>;
  /** Of this answer alone. */
  readonly bytesPerSecond?: number;
};
export type Answer = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
};
/** Undefined: the exchange goes by untouched. */
export type Rule = (request: Seen) => Fault | undefined;

/** The rule that answers first. */
export function firstOf(...rules: readonly Rule[]): Rule {
  return (request) => {
    for (const rule of rules) {
      const fault = rule(request);
      if (fault) return fault;
    }
    return undefined;
  };
}

/** An error as the distribution spec has it. */
export function refusal(status: number, code: string, headers: Readonly<Record<string, string>> = {}): Fault {
  const body = JSON.stringify({ errors: [{ code, message: `the upstream says ${code}` }] });
  return { answer: { status, headers: { 'content-type': 'application/json', ...headers }, body } };
}

export type Realm = {
  /** `127.0.0.1:port` of the proxy: the realm is on the same host. */
  readonly host: () => string;
  /** What the token endpoint does instead of answering a token. */
  readonly limited?: () => Fault | undefined;
};

/** Wants a token for everything, and gives one to whoever asks. distribution docs/content/spec/auth/token.md */
export function tokenRealm({ host, limited }: Realm): Rule {
  const token = 'token-of-the-test-realm';
  return (request) => {
    if (request.class === 'token') {
      const body = JSON.stringify({ token, expires_in: 300 });
      return limited?.() ?? { answer: { status: 200, headers: { 'content-type': 'application/json' }, body } };
    }
    if (request.headers.get('authorization') === `Bearer ${token}`) return undefined;
    const repository = /^\/v2\/(.+)\/(?:manifests|blobs|tags|referrers)\//.exec(request.path)?.[1];
    const scope = repository === undefined ? '' : `,scope="repository:${repository}:pull"`;
    const challenge = `Bearer realm="http://${host()}/token",service="test"${scope}`;
    return refusal(401, 'UNAUTHORIZED', { 'www-authenticate': challenge });
  };
}

export function answerBytes({ status, headers = {}, body = '' }: Answer, method: string): Uint8Array {
  const bytes = Buffer.from(body);
  const fields = { 'content-length': String(bytes.length), ...headers };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = Buffer.from(`HTTP/1.1 ${status} As Told\r\n${lines.join('')}\r\n`, 'latin1');
  return method === 'HEAD' ? head : Buffer.concat([head, bytes]);
}

/** What is left of an answer as its bytes come: `out` goes to the client, then the connection does `finally`. */
export type Passed = { readonly out: Uint8Array; readonly finally?: 'cut' | 'hang' };
export type Tamper = (bytes: Uint8Array) => Passed;

const nothing = new Uint8Array();

/** Undefined where the answer's bytes stay as they are. */
export function tamperWith(fault: Fault, method: string): Tamper | undefined {
  const { hangAt, cutAt, damageAt, resizeTo, headers } = fault;
  const changes = [hangAt, cutAt, damageAt, resizeTo, headers];
  if (changes.every((change) => change === undefined)) return undefined;
  let held = Buffer.alloc(0);
  let body: Tamper | undefined;
  return (bytes) => {
    if (cutAt === 'head') return { out: nothing, finally: 'cut' };
    if (hangAt === 'head') return { out: nothing, finally: 'hang' };
    if (body) return body(bytes);
    held = Buffer.concat([held, bytes]);
    const end = held.indexOf('\r\n\r\n');
    if (end < 0) return { out: nothing };
    const head = held.toString('latin1', 0, end);
    body = method === 'HEAD' ? () => ({ out: nothing }) : tamperWithBody(fault, lengthIn(head));
    const { out, ...rest } = body(held.subarray(end + 4));
    return { out: Buffer.concat([changedHead(head, fault), out]), ...rest };
  };
}

function tamperWithBody({ hangAt, cutAt, damageAt, resizeTo }: Fault, length: number): Tamper {
  // A longer body has its zeros in front; a shorter one ends early, and the connection with it.
  let padding = Buffer.alloc(Math.max(0, (resizeTo ?? 0) - length));
  let at = 0;
  const stopAt = [hangAt, cutAt, resizeTo].find((each) => typeof each === 'number') ?? Number.POSITIVE_INFINITY;
  return (bytes) => {
    const start = at;
    let out: Uint8Array = bytes;
    if (damageAt !== undefined && damageAt >= start && damageAt < start + bytes.length) {
      out = bytes.slice();
      out[damageAt - start] = (out[damageAt - start] ?? 0) ^ 1;
    }
    if (padding.length > 0) out = Buffer.concat([padding, out]);
    padding = Buffer.alloc(0);
    at += out.length;
    if (at < Number(stopAt)) return { out };
    return {
      out: out.subarray(0, Math.max(0, Number(stopAt) - start)),
      finally: hangAt === undefined ? 'cut' : 'hang',
    };
  };
}

function lengthIn(head: string): number {
  return Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
}

function changedHead(head: string, { headers = {}, resizeTo }: Fault): Uint8Array {
  const changes: Record<string, string | null> = { ...headers };
  if (resizeTo !== undefined) changes['content-length'] = String(resizeTo);
  const [start = '', ...lines] = head.split('\r\n');
  const names = new Set(Object.keys(changes).map((name) => name.toLowerCase()));
  const kept = lines.filter((line) => !names.has(line.slice(0, line.indexOf(':')).toLowerCase()));
  const added = Object.entries(changes).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}`]));
  return Buffer.from(`${[start, ...kept, ...added].join('\r\n')}\r\n\r\n`, 'latin1');
}
