import type { RepositoryName } from '#core/oci';
import type { Call, Registry } from '#core/registry';
import type { Clock, RetryPolicy } from '#core/std';
import type { Fetch, OnLimit, RequestFact, Timeouts } from './ask.ts';
import { getBlob, resolveBlob } from './blob.ts';
import { type Context, type Learned, send } from './context.ts';
import { type CredentialSource, noCredentials } from './credential.ts';
import { deleteBlob, deleteManifest, deleteTag } from './delete.ts';
import { repositories, tags } from './list.ts';
import { getManifest, resolveManifest } from './manifest.ts';
import type { ProxySetting } from './proxy-setting.ts';
import { mountBlob, putBlob } from './put-blob.ts';
import { putManifest } from './put-manifest.ts';
import { type Quirks, quirksOf } from './quirks.ts';
import type { RateLimit } from './rate-limit.ts';
import { referrers } from './referrer.ts';
import { createTransport } from './transport.ts';
import { createTrust, type Lookup } from './trust.ts';
import { openUpload, startUpload } from './upload.ts';

export type ClientOptions = {
  /** The registry's name in references: `docker.io`, `quay.io`, `registry.internal:5001`. */
  readonly host: string;
  /** Where it is, when that does not follow from the name. Only scheme, host and port count. */
  readonly url?: string;
  /** Plain HTTP, unless `url` says otherwise. */
  readonly insecure?: boolean;
  readonly fetch: Fetch;
  readonly clock: Clock;
  /** A number from 0 up to 1. */
  readonly random: () => number;
  readonly credentials?: CredentialSource;
  /** Over what the host's name tells. */
  readonly quirks?: Partial<Quirks>;
  /** Certificate authorities as PEM, all of them: see `certificateBundle`. */
  readonly ca?: string;
  readonly proxy?: ProxySetting;
  /** Resolves names, so that a redirect by name cannot lead inwards either. */
  readonly lookup?: Lookup;
  /** Hosts (`host` or `host:port`) that the registry may send us to although they look foreign. */
  readonly trustedHosts?: readonly string[];
  /** Repositories that are going to be written: their first token asks for push too. */
  readonly pushes?: (repository: RepositoryName) => boolean;
  /** What earlier runs found out. */
  readonly known?: Known;
  readonly timeouts?: Partial<Timeouts>;
  readonly retry?: Partial<RetryPolicy>;
  /** Default: `wait`. */
  readonly onLimit?: OnLimit;
  readonly userAgent?: string;
  /** Told of every request, without secrets. */
  readonly observe?: (fact: RequestFact) => void;
};

/** Findings that are worth keeping between runs. */
export type Known = {
  /** Whether a repository has the referrers API. */
  readonly referrers?: Readonly<Record<string, boolean>>;
  readonly multiTag?: boolean;
};

export type ClientState = {
  /** Requests sent, the ones for tokens and after redirects among them. */
  readonly requests: number;
  readonly tokenRequests: number;
  readonly rateLimit?: RateLimit;
  readonly known: Known;
};

/** A registry elsewhere, by the distribution protocol. */
export type Client = Registry & {
  readonly host: string;
  /** What was seen and found out so far. */
  state(): ClientState;
  /** Whether the registry answers and takes our credentials. Throws as any read. */
  ping(call: Call): Promise<void>;
};

/** Times are named in `Timeouts`; a registry behind a slow disk was seen to take half a minute to answer. */
const TIMEOUTS: Timeouts = { responseMs: 60_000, commitMs: 300_000, idleMs: 60_000 };
/** About 8 s in all: longer troubles are for the job's next run. */
const RETRY: RetryPolicy = { attempts: 5, baseMs: 500, maxMs: 15_000 };

/** Makes a client. Nothing is sent until it is used. */
export function createClient(options: ClientOptions): Client {
  const counts = { requests: 0, tokenRequests: 0 };
  const context = createContext(options, (fact) => {
    counts.requests++;
    if (fact.kind === 'token') counts.tokenRequests++;
    options.observe?.(fact);
  });
  return {
    host: options.host,
    ...readerOf(context),
    ...writerOf(context),
    extras: { capabilities: (repository) => capabilitiesOf(context, repository) },
    state: () => {
      const rateLimit = context.transport.rateLimit();
      return { ...counts, known: knownOf(context.learned), ...(rateLimit ? { rateLimit } : {}) };
    },
    async ping(call) {
      await (await send(context, { kind: 'ping' }, { accept: [200], unknown: 'UNSUPPORTED' }, call)).drop();
    },
  };
}

function createContext(options: ClientOptions, observe: (fact: RequestFact) => void): Context {
  const quirks: Quirks = { ...quirksOf(options.host), ...options.quirks };
  const scheme = options.insecure ? 'http' : 'https';
  const registry = new URL(new URL(options.url ?? `${scheme}://${quirks.apiHost ?? options.host}`).origin);
  const trust = createTrust({ ...options, registry });
  const common = {
    host: options.host,
    registry,
    quirks,
    trust,
    clock: options.clock,
    random: options.random,
    retry: { ...RETRY, ...options.retry },
  };
  const transport = createTransport({
    ...common,
    fetch: options.fetch,
    credentials: options.credentials ?? noCredentials,
    onLimit: options.onLimit ?? 'wait',
    userAgent: options.userAgent ?? 'entrepot',
    ca: options.ca,
    proxy: options.proxy,
    timeouts: { ...TIMEOUTS, ...options.timeouts },
    observe,
  });
  return { ...common, transport, learned: learnedFrom(options.known), pushes: options.pushes ?? (() => false) };
}

function learnedFrom(known: Known | undefined): Learned {
  const entries = Object.entries(known?.referrers ?? {}) as [RepositoryName, boolean][];
  return { referrers: new Map(entries), multiTag: known?.multiTag, refusedUploads: new Set() };
}

function knownOf(learned: Learned): Known {
  return {
    referrers: Object.fromEntries(learned.referrers),
    ...(learned.multiTag === undefined ? {} : { multiTag: learned.multiTag }),
  };
}

function capabilitiesOf(context: Context, repository: RepositoryName) {
  const known = context.learned.referrers.get(repository) ?? context.quirks.referrers;
  return known === undefined ? {} : { referrers: known };
}

function readerOf(context: Context) {
  return {
    resolveManifest: (repository, reference, call) => resolveManifest(context, repository, reference, call),
    resolveBlob: (repository, digest, call) => resolveBlob(context, repository, digest, call),
    getManifest: (repository, reference, call) => getManifest(context, repository, reference, call),
    getBlob: (repository, digest, options, call) => getBlob(context, { repository, digest }, options, call),
    repositories: (options, call) => repositories(context, options, call),
    tags: (repository, options, call) => tags(context, repository, options, call),
    referrers: (repository, digest, options, call) => referrers(context, { repository, digest }, options, call),
  } satisfies Partial<Registry>;
}

function writerOf(context: Context) {
  return {
    putManifest: (repository, bytes, options, call) => putManifest(context, repository, { bytes, options }, call),
    putBlob: (repository, target, body, call) => putBlob(context, repository, { target, body }, call),
    startUpload: (repository, options, call) => startUpload(context, repository, options.algorithm, call),
    openUpload: (repository, uploadId, call) => openUpload(context, repository, uploadId, call),
    mountBlob: (repository, digest, options, call) => mountBlob(context, { repository, digest }, options, call),
    deleteTag: (repository, tag, call) => deleteTag(context, repository, tag, call),
    deleteManifest: (repository, digest, call) => deleteManifest(context, repository, digest, call),
    deleteBlob: (repository, digest, call) => deleteBlob(context, repository, digest, call),
  } satisfies Partial<Registry>;
}
