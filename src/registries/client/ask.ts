import type { OciCode } from '#core/oci';
import type { ByteStream, Clock, RetryPolicy } from '#core/std';
import type { CredentialSource } from './credential.ts';
import type { ProxySetting } from './proxy-setting.ts';
import type { Quirks } from './quirks.ts';
import type { Scope } from './scope.ts';
import type { Trust } from './trust.ts';

/** The part of `fetch` that is used. Streams go out with the Content-Length that they are given. */
export type Fetch = (url: string, init: BunFetchRequestInit) => Promise<Response>;

/** How long nothing may happen. Milliseconds. */
export type Timeouts = {
  /** From the request's end to the answer's first byte. */
  readonly responseMs: number;
  /** The same after a blob was sent: registries hash it and move it to its place, some between two buckets. */
  readonly commitMs: number;
  /** Between two pieces of a body. */
  readonly idleMs: number;
};

/**
 * After a 429, a Retry-After or a silence: `wait` as long as is asked and try again, up to a minute, or `tell` at once,
 * for whoever has another account, another source or a copy.
 */
export type OnLimit = 'wait' | 'tell';

export type Body =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'stream';
      readonly stream: ByteStream;
      readonly size?: number | undefined;
      /** The caller watches the time: the stream goes to the connection as it is, which a native one does by itself. */
      readonly isWatched?: boolean | undefined;
    };

/** One request, and which answers are answers. */
export type Ask = {
  readonly method: string;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Body | undefined;
  readonly scopes: readonly Scope[];
  /** Statuses that the caller understands; any other is thrown. */
  readonly accept: readonly number[];
  /** What 404 means. */
  readonly unknown: OciCode;
  /** False where a second try could do a second thing. */
  readonly repeatable?: boolean;
  readonly signal?: AbortSignal | undefined;
};

/** What an observer may know of a request: no headers, no query. */
export type RequestFact = {
  readonly method: string;
  readonly url: string;
  readonly status?: number;
  readonly attempt: number;
  readonly kind: 'registry' | 'token' | 'redirect';
};

export type TransportOptions = {
  readonly host: string;
  readonly registry: URL;
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly random: () => number;
  readonly credentials: CredentialSource;
  readonly quirks: Quirks;
  readonly trust: Trust;
  readonly userAgent: string;
  readonly ca?: string | undefined;
  readonly proxy?: ProxySetting | undefined;
  readonly timeouts: Timeouts;
  readonly retry: RetryPolicy;
  readonly onLimit: OnLimit;
  readonly observe?: ((fact: RequestFact) => void) | undefined;
};
