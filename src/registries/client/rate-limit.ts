/** What a registry said about how much we may still ask. Counts are pulls or requests, as the registry counts. */
export type RateLimit = {
  readonly limit?: number;
  readonly remaining?: number;
  readonly windowSeconds?: number;
  /** Seconds until the count starts anew, where said. */
  readonly resetSeconds?: number;
  /** The address or account that is counted. */
  readonly source?: string;
  readonly seenAtMs: number;
};

/**
 * The rate limit in a response's headers, or undefined.
 * Source: docs.docker.com "Pull usage" (`ratelimit-limit: 100;w=21600`), GitHub's `x-ratelimit-…`, and the IETF draft
 * ratelimit-headers in its three forms: a header each, `RateLimit: limit=…, remaining=…, reset=…`, and
 * `RateLimit: "name";r=…;t=…` with `RateLimit-Policy: "name";q=…;w=…`.
 */
export function parseRateLimit(headers: Headers, nowMs: number): RateLimit | undefined {
  const all = headers.get('ratelimit')?.slice(0, MAX_LENGTH) ?? undefined;
  const policy = headers.get('ratelimit-policy')?.slice(0, MAX_LENGTH) ?? undefined;
  const limit = first(headers, ['ratelimit-limit', 'x-ratelimit-limit']) ?? member(all, 'limit') ?? member(policy, 'q');
  const remaining =
    first(headers, ['ratelimit-remaining', 'x-ratelimit-remaining']) ?? member(all, 'remaining') ?? member(all, 'r');
  if (limit === undefined && remaining === undefined) return undefined;
  const windowSeconds = windowOf(limit) ?? windowOf(remaining) ?? windowOf(policy);
  const reset = first(headers, ['ratelimit-reset', 'x-ratelimit-reset']) ?? member(all, 'reset') ?? member(all, 't');
  const resetSeconds = resetOf(reset, nowMs);
  const source = headers.get('docker-ratelimit-source')?.slice(0, 128);
  return {
    ...optional('limit', countOf(limit)),
    ...optional('remaining', countOf(remaining)),
    ...optional('windowSeconds', windowSeconds),
    ...optional('resetSeconds', resetSeconds),
    ...(source ? { source } : {}),
    seenAtMs: nowMs,
  };
}

function optional<K extends string>(key: K, value: number | undefined): { [P in K]?: number } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: number };
}

function first(headers: Headers, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = headers.get(name);
    if (value) return value;
  }
  return undefined;
}

/** Real ones have some dozen characters. */
const MAX_LENGTH = 1024;

/** `name=value` of a list: the first of that name. */
function member(text: string | undefined, name: string): string | undefined {
  return new RegExp(`(?:^|[;,\\s])${name}=(\\d{1,12})`).exec(text ?? '')?.[1];
}

function countOf(text: string | undefined): number | undefined {
  const match = /^\s*(\d{1,12})/.exec(text ?? '');
  return match ? Number(match[1]) : undefined;
}

function windowOf(text: string | undefined): number | undefined {
  const match = /;\s*w=(\d{1,9})/.exec(text ?? '');
  return match ? Number(match[1]) : undefined;
}

/** Some send seconds from now, some a time since the epoch. */
function resetOf(text: string | undefined, nowMs: number): number | undefined {
  const count = countOf(text);
  if (count === undefined) return undefined;
  return count > 1_000_000_000 ? Math.max(0, Math.round(count - nowMs / 1000)) : count;
}
