import { AppError, compileGlob } from '#core/std';
import {
  type Config,
  isLoopback,
  listOf,
  type NamespaceConfig,
  nearest,
  tryParseListen,
  upstreamPlace,
} from '#surface/config';

/** A file of a client's machine, and what a person has to know besides it. */
export type SnippetFile = { readonly path: string; readonly text: string };
export type Snippet = {
  readonly client: string;
  readonly files: readonly SnippetFile[];
  readonly notes: readonly string[];
};

/** A proxy namespace as clients see it. */
export type Mirrored = {
  readonly namespace: string;
  /** The registry that it stands for, and what of it. */
  readonly host: string;
  readonly prefix: string;
  /** Hosts that lead to it alone. */
  readonly hosts: readonly string[];
  /** Whether nodes need no credentials. */
  readonly isOpen: boolean;
};

/** This registry as its clients see it. */
export type ClientSide = {
  /** Without a slash at its end. */
  readonly url: string;
  /** As names begin with: `registry.example.com`. */
  readonly host: string;
  readonly isPlain: boolean;
  readonly isOnlyHere: boolean;
  readonly mirrored: readonly Mirrored[];
};

/** Throws CONFIG_INVALID where there is nothing to point a client at, USAGE for a namespace that is none. */
export function clientSide(config: Config, only: string | undefined): ClientSide {
  const url = publicUrl(config);
  const mirrored = mirroredBy(config);
  if (only !== undefined) requireProxy(config, only);
  if (mirrored.length === 0) {
    throw new AppError('CONFIG_INVALID', 'the configuration has no proxy namespace, so there is nothing to mirror', {
      hint: 'add one: hub: { type: proxy, upstream: docker.io }; see docs/guides/proxy.md',
    });
  }
  return {
    url: url.origin,
    host: url.host,
    isPlain: url.protocol === 'http:',
    isOnlyHere: isLoopback(url.hostname.replace(/^\[|\]$/g, '')),
    mirrored: mirrored.filter(({ namespace }) => only === undefined || namespace === only),
  };
}

function publicUrl({ server }: Config): URL {
  if (server.url !== undefined) return new URL(server.url);
  const listen = tryParseListen(server.listen);
  if (!listen || listen.port === 0 || listen.hostname === '0.0.0.0' || listen.hostname === '::') {
    throw new AppError('CONFIG_INVALID', 'the configuration does not say at which address clients reach this server', {
      why: `server.listen is ${server.listen}, and there is no server.url`,
      hint: 'set server.url, for example https://registry.example.com',
    });
  }
  const hostname = listen.hostname.includes(':') ? `[${listen.hostname}]` : listen.hostname;
  return new URL(`${server.tls ? 'https' : 'http'}://${hostname}:${listen.port}`);
}

function mirroredBy(config: Config): Mirrored[] {
  return Object.entries(config.namespaces ?? {}).flatMap(([namespace, entry]) => {
    if (entry.type !== 'proxy') return [];
    const own = { namespace, hosts: entry.hosts, isOpen: isOpen(config, namespace) };
    return listOf(entry.upstream).map((text) => ({ ...own, ...upstreamPlace(text) }));
  });
}

/** Two names stand for all: one glob seldom opens the one and not the other. */
function isOpen({ access }: Config, namespace: string): boolean {
  if (!access) return true;
  const globs = access.anonymous.filter(({ actions }) => actions.includes('pull')).flatMap((rule) => rule.repositories);
  return [`${namespace}/any`, `${namespace}/any/name`].every((name) => globs.some((glob) => compileGlob(glob)(name)));
}

function requireProxy({ namespaces = {} }: Config, name: string): void {
  const isProxy = (entry: NamespaceConfig | undefined) => entry?.type === 'proxy';
  if (isProxy(namespaces[name])) return;
  const proxies = Object.keys(namespaces).filter((key) => isProxy(namespaces[key]));
  const meant = nearest(name, proxies);
  throw new AppError('USAGE', `"${name}" is no proxy namespace of the configuration`, {
    why: proxies.length === 0 ? 'it has none' : `proxy namespaces: ${proxies.join(', ')}`,
    hint: meant === undefined ? 'entrepot namespace list' : `did you mean ${meant}?`,
  });
}

/** What holds for every client. */
export function commonNotes({ url, isOnlyHere }: ClientSide): string[] {
  return isOnlyHere ? [`Only this machine reaches ${url}: set server.listen and server.url for others.`] : [];
}

/** Names as a list in a sentence. */
export function namesOf(mirrored: readonly Mirrored[]): string {
  return [...new Set(mirrored.map(({ namespace }) => namespace))].join(', ');
}
