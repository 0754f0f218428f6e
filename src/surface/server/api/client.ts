import { AppError } from '#core/std';
import { errorOfView } from './error.ts';
import type { Listed, ListOptions, Operations, Running } from './operations.ts';
import type { CacheEntry, ErrorView, GcReport, NamespaceItem, UpstreamItem } from './schema.ts';
import type { JobLine } from './stream.ts';

/** Sends a request to the server that holds the folder, over its socket. */
export type SocketFetch = (path: string, init: RequestInit) => Promise<Response>;

/** `Operations` done by a server elsewhere. */
export function apiClient(send: SocketFetch): Operations {
  const ask = async <T>(method: string, path: string, query: Query = {}): Promise<T> => {
    const response = await send(withQuery(path, query), { method });
    if (!response.ok) throw errorOfView((await response.json()) as ErrorView);
    return (await response.json()) as T;
  };
  const list = <T>(path: string, query: Query): Promise<Listed<T>> => ask('GET', path, query);
  return {
    status: () => ask('GET', '/status'),
    config: () => ask('GET', '/config'),
    repositories: (options) => list('/repositories', pageQuery(options)),
    tags: (repository, options) => list('/tags', { repository, ...pageQuery(options) }),
    images: (repository, options) => list('/images', { repository, ...pageQuery(options) }),
    image: (repository, reference) => ask('GET', '/image', { repository, reference }),
    deleteImage: (repository, reference) => ask('DELETE', '/image', { repository, reference }),
    gc: ({ apply, untagged }) => ask<GcReport>('POST', '/gc', { apply: String(apply), untagged: String(untagged) }),
    scrub: (running) => follow(send, withQuery('/scrub', {}), running),
    mirrorApply: ({ names, audit }, running) =>
      follow(send, withQuery('/mirrors/apply', { name: names, audit: String(audit) }), running),
    upstreams: async () => (await list<UpstreamItem>('/upstreams', {})).items,
    namespaces: async () => (await list<NamespaceItem>('/namespaces', {})).items,
    namespace: (name) => ask('GET', '/namespace', { name }),
    cacheEntry: async (repository, reference) => {
      const { items } = await list<CacheEntry>('/image/cache', { repository, reference });
      return items[0];
    },
    warm: ({ images, platforms }, running) =>
      follow(send, withQuery('/warm', { image: images, platform: platforms }), running),
  };
}

type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

function pageQuery({ after, limit }: ListOptions): Query {
  return { after, limit: String(limit) };
}

function withQuery(path: string, query: Query): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    for (const one of [value ?? []].flat()) parameters.append(key, one);
  }
  const text = parameters.toString();
  return `/api/v1${path}${text === '' ? '' : `?${text}`}`;
}

async function follow<T>(send: SocketFetch, path: string, { onProgress, signal }: Running): Promise<T> {
  const response = await send(path, { method: 'POST', signal });
  if (!response.ok) throw errorOfView((await response.json()) as ErrorView);
  for await (const line of linesOf(response)) {
    const message = JSON.parse(line) as JobLine<T>;
    if (message.type === 'result') return message.result;
    if (message.type === 'error') throw errorOfView(message.error);
    if (message.type === 'progress') onProgress(message.event);
  }
  throw new AppError('UNAVAILABLE', 'the server ended before the work did', {
    hint: 'run the command again: it goes on where it was',
  });
}

async function* linesOf(response: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of response.body ?? []) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines.filter((line) => line !== '');
  }
  if (rest !== '') yield rest;
}
