import { buildRequest, type OciCode, type RegistryRequest, type RepositoryName } from '#core/oci';
import type { Call, ServedBy } from '#core/registry';
import type { Clock, RetryPolicy } from '#core/std';
import type { Answer } from './answer.ts';
import type { Ask, Body } from './ask.ts';
import type { Quirks, UploadMode } from './quirks.ts';
import { scopesOf } from './scope.ts';
import type { Transport } from './transport.ts';
import type { Trust } from './trust.ts';

/** What was found out about a registry while talking to it. Everything in it may be lost without harm. */
export type Learned = {
  /** Whether a repository has the referrers API. */
  readonly referrers: Map<RepositoryName, boolean>;
  multiTag: boolean | undefined;
  /** Upload modes that were refused. */
  readonly refusedUploads: Set<UploadMode>;
};

/** What every operation of one client works with. */
export type Context = {
  readonly host: string;
  readonly registry: URL;
  readonly transport: Transport;
  readonly quirks: Quirks;
  readonly learned: Learned;
  readonly trust: Trust;
  readonly clock: Clock;
  readonly random: () => number;
  readonly retry: RetryPolicy;
  readonly pushes: (repository: RepositoryName) => boolean;
};

export type SendOptions = {
  readonly accept: readonly number[];
  readonly unknown: OciCode;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Body;
  readonly repeatable?: boolean;
  /** Where the request goes when the registry chose the address: an upload's Location, a page's cursor. */
  readonly url?: URL;
};

/** Sends one request of the distribution grammar. Throws RegistryError for every answer that is not in `accept`. */
export function send(context: Context, request: RegistryRequest, options: SendOptions, call: Call): Promise<Answer> {
  const { method, path } = buildRequest(request);
  const ask: Ask = {
    ...options,
    method,
    url: options.url ?? new URL(path, context.registry),
    scopes: scopesOf(request, call, context.pushes),
    signal: call.signal,
  };
  return context.transport.send(ask);
}

/** Longest warning that is passed on, and how many. Spec, "Warnings": at most 4096 bytes together. */
const MAX_WARNINGS = 8;
const MAX_WARNING_LENGTH = 512;

/** How an answer was come by. */
export function servedBy(context: Context, answer: Answer, more: readonly string[] = []): ServedBy {
  return { by: context.host, upstream: context.host, warnings: [...warningsOf(answer.headers), ...more] };
}

/** Texts of `Warning: 299 - "…"`, which registries use for notices to people. */
function warningsOf(headers: Headers): string[] {
  const header = headers.get('warning');
  if (!header) return [];
  return [...header.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)]
    .slice(0, MAX_WARNINGS)
    .map(([, text = '']) => text.replace(/\\(.)/g, '$1').slice(0, MAX_WARNING_LENGTH));
}
