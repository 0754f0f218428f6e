import { expiredCertificate } from '../harness/certificate.ts';
import { type Fault, type Rule, refusal, type Seen, tokenRealm } from '../harness/fault.ts';
import type { FaultProxyOptions } from '../harness/fault-proxy.ts';
import { sha256 } from '../harness/image.ts';

/** What a client sees while the upstream is like this. */
export type Row = {
  readonly name: string;
  /** Of the proxy that this row has for itself; from the start. */
  readonly link?: () => Partial<FaultProxyOptions>;
  /** From the moment on at which the upstream goes wrong. */
  readonly rule?: (host: () => string) => Rule;
  /** Connections are refused from then on. */
  readonly down?: true;
  /** The namespace's upstream, where it is not the proxy. */
  readonly upstream?: string;
  /** Of the upstream in the configuration. */
  readonly registry?: string;
  /** There can be no copy: it never worked. */
  readonly neverWorked?: true;
  /** It lies about tags alone: of a digest that is known, from the HEAD of the tag that moved, the bytes are right. */
  readonly rightByDigest?: true;
  /** Without a copy. */
  readonly status: number;
  readonly code: string;
  /** Seconds in Retry-After: in this range. */
  readonly retryAfter?: readonly [number, number];
  /** The error tells this, so that a person knows whose it is. */
  readonly says: RegExp;
};

const always = (fault: Fault) => () => () => fault;
const content = (fault: Fault) => () => (request: Seen) =>
  request.class === 'manifest' && request.method === 'GET' ? fault : undefined;
const anyDigest = sha256('something else');
// As HTTP wants it (RFC 9110 section 5.6.7), half a minute away.
const inHalfAMinute = () => new Date(Date.now() + 30_000).toUTCString();

export const rows: readonly Row[] = [
  {
    name: '404',
    rule: always(refusal(404, 'MANIFEST_UNKNOWN')),
    status: 404,
    code: 'MANIFEST_UNKNOWN',
    says: /404|unknown|no such|not found|has no/i,
  },
  {
    name: '401 without a challenge that helps',
    rule: always(refusal(401, 'UNAUTHORIZED')),
    status: 502,
    code: 'UPSTREAM_DENIED',
    says: /127\.0\.0\.1.*401|UNAUTHORIZED/s,
  },
  {
    name: '403',
    rule: always(refusal(403, 'DENIED')),
    status: 502,
    code: 'UPSTREAM_DENIED',
    says: /403|DENIED/,
  },
  {
    name: '429 with Retry-After in seconds',
    rule: always(refusal(429, 'TOOMANYREQUESTS', { 'retry-after': '30' })),
    status: 429,
    code: 'TOOMANYREQUESTS',
    retryAfter: [20, 31],
    says: /429|limit/i,
  },
  {
    name: '429 with Retry-After as a date',
    rule: () => () => refusal(429, 'TOOMANYREQUESTS', { 'retry-after': inHalfAMinute() }),
    status: 429,
    code: 'TOOMANYREQUESTS',
    retryAfter: [20, 31],
    says: /429|limit/i,
  },
  {
    name: '429 without Retry-After',
    rule: always(refusal(429, 'TOOMANYREQUESTS')),
    status: 429,
    code: 'TOOMANYREQUESTS',
    retryAfter: [1, 3600],
    says: /429|limit/i,
  },
  {
    name: '500',
    rule: always(refusal(500, 'INTERNAL')),
    status: 502,
    code: 'UPSTREAM_UNAVAILABLE',
    says: /500/,
  },
  {
    name: '503',
    rule: always(refusal(503, 'UNAVAILABLE')),
    status: 502,
    code: 'UPSTREAM_UNAVAILABLE',
    says: /503/,
  },
  {
    name: '503 with Retry-After',
    rule: always(refusal(503, 'UNAVAILABLE', { 'retry-after': '20' })),
    status: 502,
    code: 'UPSTREAM_UNAVAILABLE',
    says: /503/,
  },
  {
    name: 'connections refused',
    down: true,
    status: 502,
    code: 'UPSTREAM_UNAVAILABLE',
    says: /refused|connect|reach/i,
  },
  {
    name: 'a host that DNS does not know',
    upstream: 'nowhere.invalid',
    registry: '{}',
    neverWorked: true,
    status: 502,
    code: 'UPSTREAM_UNAVAILABLE',
    says: /nowhere\.invalid/,
  },
  {
    name: 'an expired certificate',
    link: () => ({ tls: expiredCertificate() }),
    registry: '{ insecure: false }',
    neverWorked: true,
    status: 502,
    code: 'UPSTREAM_UNAVAILABLE',
    says: /certificate|expired/i,
  },
  {
    name: 'a hang before the head',
    rule: always({ hangAt: 'head' }),
    status: 504,
    code: 'UPSTREAM_TIMEOUT',
    says: /did not answer|nothing came|time/i,
  },
  {
    name: 'a hang in the manifest',
    rule: content({ hangAt: 50 }),
    status: 504,
    code: 'UPSTREAM_TIMEOUT',
    says: /did not answer|nothing came|time|stopped/i,
  },
  {
    name: 'connections that end before the head',
    rule: always({ cutAt: 'head' }),
    status: 502,
    code: 'UPSTREAM_UNAVAILABLE',
    says: /broke|closed|connection|ended/i,
  },
  {
    name: 'connections that end in the manifest',
    rule: content({ cutAt: 50 }),
    status: 502,
    code: 'UPSTREAM_UNAVAILABLE',
    says: /broke|closed|connection|ended|cut/i,
  },
  {
    name: 'another manifest than the digest it says',
    rule: content({ damageAt: 100 }),
    status: 502,
    code: 'UPSTREAM_INVALID',
    says: /digest|sha256/,
  },
  {
    name: 'a digest that is not the manifest’s',
    rule: content({ headers: { 'docker-content-digest': anyDigest } }),
    rightByDigest: true,
    status: 502,
    code: 'UPSTREAM_INVALID',
    says: /digest|sha256/,
  },
  {
    name: 'a manifest that is cut short and says so',
    rule: content({ resizeTo: 100 }),
    status: 502,
    code: 'UPSTREAM_INVALID',
    says: /digest|sha256|bytes|size/i,
  },
  {
    name: 'a page instead of a manifest',
    rule: content({
      answer: { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>Please sign in</html>' },
    }),
    status: 502,
    code: 'UPSTREAM_INVALID',
    says: /manifest|text\/html/i,
  },
  {
    name: 'a token endpoint that is limited',
    rule: (host) => {
      const limited = () => refusal(429, 'TOOMANYREQUESTS', { 'retry-after': '30' });
      return tokenRealm({ host, limited });
    },
    status: 429,
    code: 'TOOMANYREQUESTS',
    retryAfter: [20, 31],
    says: /token|429|limit/i,
  },
  {
    name: 'a token endpoint that fails',
    rule: (host) => tokenRealm({ host, limited: () => refusal(500, 'INTERNAL') }),
    status: 502,
    code: 'UPSTREAM_UNAVAILABLE',
    says: /token|500/,
  },
  {
    name: 'a redirect to itself',
    rule: () => (request) => ({ answer: { status: 307, headers: { location: request.path } } }),
    status: 502,
    code: 'UPSTREAM_INVALID',
    says: /redirect|307/i,
  },
];
