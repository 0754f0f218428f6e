/** One request as it went over the wire; sizes are payload bytes (no headers, no chunk framing). */
export type Exchange = {
  readonly method: string;
  readonly path: string;
  readonly class: PathClass;
  /** 0 while, or when, no status line came. */
  readonly status: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** What part of a blob was asked for. */
  readonly range?: string;
};

export type PathClass = 'ping' | 'manifest' | 'blob' | 'upload' | 'tags' | 'referrers' | 'catalog' | 'token' | 'other';

const classes: readonly { readonly class: PathClass; readonly pattern: RegExp }[] = [
  { class: 'ping', pattern: /^\/v2\/?$/ },
  { class: 'catalog', pattern: /^\/v2\/_catalog$/ },
  { class: 'token', pattern: /^\/token$/ },
  { class: 'upload', pattern: /^\/v2\/.+\/blobs\/uploads(\/|$)/ },
  { class: 'blob', pattern: /^\/v2\/.+\/blobs\/[^/]+$/ },
  { class: 'manifest', pattern: /^\/v2\/.+\/manifests\/[^/]+$/ },
  { class: 'tags', pattern: /^\/v2\/.+\/tags\/list$/ },
  { class: 'referrers', pattern: /^\/v2\/.+\/referrers\/[^/]+$/ },
];

export function classify(target: string): PathClass {
  const path = target.split('?', 1)[0] ?? target;
  return classes.find((each) => each.pattern.test(path))?.class ?? 'other';
}

export type Summary = {
  readonly requests: number;
  /** Payload bytes towards the server. */
  readonly sentBytes: number;
  /** Payload bytes from the server. */
  readonly receivedBytes: number;
  /** `GET manifest` → how often. */
  readonly byKind: Readonly<Record<string, number>>;
};

export function summarize(exchanges: readonly Exchange[]): Summary {
  const byKind: Record<string, number> = {};
  let sentBytes = 0;
  let receivedBytes = 0;
  for (const each of exchanges) {
    const kind = `${each.method} ${each.class}`;
    byKind[kind] = (byKind[kind] ?? 0) + 1;
    sentBytes += each.sentBytes;
    receivedBytes += each.receivedBytes;
  }
  return { requests: exchanges.length, sentBytes, receivedBytes, byKind };
}
