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
 * Source: docs.docker.com "Pull usage" (`ratelimit-limit: 100;w=21600`) and the IETF draft ratelimit-headers.
 */
export function parseRateLimit(headers: Headers, nowMs: number): RateLimit | undefined {
  const limit = first(headers, ['ratelimit-limit', 'x-ratelimit-limit']);
  const remaining = first(headers, ['ratelimit-remaining', 'x-ratelimit-remaining']);
  if (limit === undefined && remaining === undefined) return undefined;
  const windowSeconds = windowOf(limit) ?? windowOf(remaining);
  const resetSeconds = resetOf(first(headers, ['ratelimit-reset', 'x-ratelimit-reset']), nowMs);
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
