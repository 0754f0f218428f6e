import type { RequestKind } from '#core/oci';

/** One request that was answered, or cut. */
export type AccessEvent = {
  /** When it came. Milliseconds since the epoch. */
  readonly timeMs: number;
  readonly requestId: string;
  readonly kind: RequestKind | 'invalid';
  readonly method: string;
  /** Without the query: secrets may stand in there. */
  readonly path: string;
  readonly status: number;
  readonly durationMs: number;
  /** Bytes of content read, and bytes offered: the kernel sends files and does not tell how far it came. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly address: string;
  readonly principal: string;
  readonly userAgent: string | null;
  /** The wire code of a refusal. */
  readonly code: string | undefined;
  /** What the answer says of its way: see `ServedBy`. Of a refusal `reason` is what went wrong, and why. */
  readonly by: string | undefined;
  readonly verdict: string | undefined;
  readonly upstream: string | undefined;
  readonly reason: string | undefined;
  /** The full name, where the client used another than the path’s: by `?ns=` or by the host it asked. */
  readonly repository: string | undefined;
  /** The client left before it had everything: a second line about the same request. */
  readonly cut: boolean;
};

/** Takes events. Must not block: it is called on every request. */
export type AccessSink = (event: AccessEvent) => void;

/** The event as a line of JSON with its newline. Put together by hand: a pull should not pay for a general serializer. */
export function accessLine(event: AccessEvent): string {
  const rest =
    (event.userAgent === null ? '' : `,"userAgent":${quoteAgent(event.userAgent)}`) +
    (event.code === undefined ? '' : `,"code":"${event.code}"`) +
    (event.by === undefined ? '' : `,"by":${quoteServer(event.by)}`) +
    (event.verdict === undefined && event.code === undefined ? '' : wayOf(event)) +
    (event.repository === undefined ? '' : `,"repository":"${event.repository}"`) +
    (event.cut ? ',"cut":true' : '');
  // What the grammar has read needs no quoting, nor does a method, which HTTP makes of letters.
  const path = event.kind === 'invalid' ? quote(event.path) : `"${event.path}"`;
  return (
    `{"level":"info","time":"${isoTime(event.timeMs)}","message":"request","requestId":"${event.requestId}"` +
    `,"kind":"${event.kind}","method":"${event.method}","path":${path},"status":${event.status}` +
    `,"durationMs":${Math.round(event.durationMs * 1000) / 1000},"bytesIn":${event.bytesIn},"bytesOut":${event.bytesOut}` +
    `,"address":"${event.address}","principal":${quotePrincipal(event.principal)}${rest}}\n`
  );
}

/** How an answer of a cache was come by, or why there was none. */
function wayOf({ verdict, upstream, reason }: AccessEvent): string {
  return (
    (verdict === undefined ? '' : `,"verdict":${quoteVerdict(verdict)}`) +
    (upstream === undefined ? '' : `,"upstream":${quoteUpstream(upstream)}`) +
    // Of what was here and fresh there is nothing to explain, and most lines are of that.
    (reason === undefined || verdict === 'hit' ? '' : `,"reason":${quoteReason(reason)}`)
  );
}

/** Characters that stand for themselves in JSON: most names, paths and agents have only such. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
/** A line stays readable, and a stranger's header cannot make it endless. */
const MAX_TEXT = 512;

function quote(text: string): string {
  const short = text.length > MAX_TEXT ? text.slice(0, MAX_TEXT) : text;
  return PLAIN.test(short) ? `"${short}"` : JSON.stringify(short);
}

const quotePrincipal = remembering(quote);
const quoteAgent = remembering(quote);
const quoteServer = remembering(quote);
const quoteVerdict = remembering(quote);
const quoteUpstream = remembering(quote);
const quoteReason = remembering(quote);

/** Requests come in rows from one client: its last text is the likeliest next. */
function remembering(make: (text: string) => string): (text: string) => string {
  let lastText: string | undefined;
  let lastMade = '';
  return (text) => {
    if (text !== lastText) {
      lastMade = make(text);
      lastText = text;
    }
    return lastMade;
  };
}

let secondOfText = -1;
let secondText = '';

/** Most lines share their second: its text is made once. */
function isoTime(timeMs: number): string {
  const second = Math.floor(timeMs / 1000);
  if (second !== secondOfText) {
    secondText = new Date(second * 1000).toISOString().slice(0, 20);
    secondOfText = second;
  }
  return `${secondText}${String(Math.floor(timeMs) - second * 1000).padStart(3, '0')}Z`;
}
