import { describe, expect, test } from 'bun:test';
import { RegistryError } from '#core/oci';
import { AppError, silentLog } from '#core/std';
import { createApi } from './api.ts';
import { apiClient } from './client.ts';
import { viewOfError } from './error.ts';
import type { Operations } from './operations.ts';
import type { CacheEntry, ErrorView, ProgressEvent, UpstreamItem } from './schema.ts';

const status = {
  version: '1.2.3',
  serving: true,
  storage: {
    path: '/data',
    repositories: 1,
    manifests: 2,
    manifestBytes: 9,
    tags: 5,
    blobs: 3,
    blobBytes: 4,
    uploads: 0,
  },
  namespaces: ['team', 'hub'],
  proxies: [{ namespace: 'hub', upstreams: ['docker.io'], bytes: 7, hitRate: 0.5, bytesSaved: 9, upstreamPulls: 1 }],
  upstreams: [],
  mirrors: [],
};
const upstream: UpstreamItem = {
  host: 'docker.io',
  namespaces: ['hub'],
  breaker: { state: 'open', failures: 5, probeAt: '2026-01-01T00:00:00.000Z', why: 'it is down' },
  quotas: [{ account: 'corp', limit: 100, remaining: 7 }],
  reservePulls: 5,
  requests: 3,
  bytes: 1000,
  pulls: 2,
  active: 1,
  waiting: 0,
};
const namespace = { name: 'hub', type: 'proxy' as const, upstreams: ['docker.io'], members: [], hosts: [] };
const entry: CacheEntry = {
  namespace: 'hub',
  repository: 'hub/library/redis',
  reference: '7',
  upstream: 'docker.io/library/redis',
  cached: true,
  rule: 'freshness',
  next: 'hit',
  why: 'it is fresh',
};
const mirrorReport = { images: [], copied: 0, unchanged: 0, failed: 0, stopped: 0, bytes: 0, durationMs: 1 };

const operations: Operations = {
  status: async () => status,
  config: async () => ({ version: 1 }),
  repositories: async ({ after, limit }) => ({ items: [{ name: `${after ?? 'first'}/${limit}` }], next: 'more' }),
  tags: async (repository) => ({ items: [{ repository, name: 'a', digest: 'sha256:0' }] }),
  images: async () => ({ items: [] }),
  image: async (repository, reference) => {
    throw new RegistryError('MANIFEST_UNKNOWN', `${repository} has no ${reference}`, { hint: 'look again' });
  },
  deleteImage: async (repository, reference) => ({ repository, reference, what: 'tag' }),
  gc: async ({ apply }) => ({ applied: apply, manifests: 0, blobLinks: 0, blobs: 0, files: 0, bytes: 0 }),
  upstreams: async () => [upstream],
  namespaces: async () => [namespace],
  namespace: async (name) => ({ ...namespace, name, rules: { freshFor: '10m' }, repositories: [] }),
  cacheEntry: async (repository) => (repository.startsWith('hub/') ? entry : undefined),
  warm: async ({ images, platforms }, { onProgress }) => {
    onProgress({ kind: 'run-started', title: [...images, ...platforms].join('+') });
    return { images: [], newBytes: 5, durationMs: 1 };
  },
  scrub: async () => {
    throw new Error('a bug');
  },
  mirrorApply: async ({ names, audit }, { onProgress, signal }) => {
    onProgress({ kind: 'run-started', title: `${names.join('+')} ${audit}` });
    if (names.includes('endless')) {
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    }
    if (names.includes('unknown')) throw new AppError('MIRROR_UNKNOWN', 'no such mirror');
    return mirrorReport;
  },
};
const api = createApi({ operations, log: silentLog(), version: '1.2.3' });
const client = apiClient((path, init) => api.fetch(new Request(`http://localhost${path}`, init)));
const quiet = { onProgress: () => {}, signal: new AbortController().signal };

function errorIn(response: Response): Promise<ErrorView> {
  return response.json() as Promise<ErrorView>;
}

describe('the client gets what the operation answers', () => {
  test('config', async () => expect(await client.config()).toEqual({ version: 1 }));
  test('status', async () => expect(await client.status()).toEqual(status));
  test('a page', async () => {
    const list = await client.repositories({ after: 'x y', limit: 7 });
    expect(list).toEqual({ items: [{ name: 'x y/7' }], next: 'more' });
  });
  test('tags of a repository with slashes', async () => {
    expect((await client.tags('a/b', { limit: 1 })).items).toEqual([
      { repository: 'a/b', name: 'a', digest: 'sha256:0' },
    ]);
  });
  test('delete', async () => expect(await client.deleteImage('a', 'b')).toMatchObject({ reference: 'b' }));
  test('upstreams', async () => expect(await client.upstreams()).toEqual([upstream]));
  test('namespaces', async () => expect(await client.namespaces()).toEqual([namespace]));
  test('a namespace', async () => expect(await client.namespace('a/b')).toMatchObject({ name: 'a/b' }));
  test('an entry of a cache, and none', async () => {
    expect(await client.cacheEntry('hub/library/redis', '7')).toEqual(entry);
    expect(await client.cacheEntry('team/app', '7')).toBeUndefined();
  });
  test('warming, with its progress', async () => {
    const events: ProgressEvent[] = [];
    const running = { ...quiet, onProgress: (event: ProgressEvent) => events.push(event) };
    expect(await client.warm({ images: ['a:1', 'b:2'], platforms: ['linux/arm64'] }, running)).toMatchObject({
      newBytes: 5,
    });
    expect(events).toEqual([{ kind: 'run-started', title: 'a:1+b:2+linux/arm64' }]);
  });
  test('gc, planned and run', async () => {
    expect(
      [await client.gc({ apply: false, untagged: false }), await client.gc({ apply: true, untagged: false })].map(
        (report) => report.applied,
      ),
    ).toEqual([false, true]);
  });
});

describe('errors', () => {
  test('keep their code, words and remedy', async () => {
    await expect(client.image('a', 'b')).rejects.toMatchObject({
      code: 'MANIFEST_UNKNOWN',
      message: 'a has no b',
      hint: 'look again',
    });
  });
  test('have the status of their code', async () => {
    const response = await api.fetch(new Request('http://localhost/api/v1/image?repository=a&reference=b'));
    expect(response.status).toBe(404);
  });
  test('a wrong query is a usage error', async () => {
    const response = await api.fetch(new Request('http://localhost/api/v1/tags?limit=0'));
    expect([response.status, (await errorIn(response)).code]).toEqual([400, 'USAGE']);
  });
  test('an unknown page says where the known ones are', async () => {
    const response = await api.fetch(new Request('http://localhost/api/v1/nothing'));
    expect([response.status, (await errorIn(response)).do]).toEqual([404, '/api/v1/openapi.json lists them']);
  });
  const hints = [
    { name: 'its own hint first', code: 'UNAUTHORIZED' as const, hint: 'mine', does: 'mine' },
    {
      name: 'signing in',
      code: 'UNAUTHORIZED' as const,
      does: 'docker login quay.io, or set registries."quay.io".credentials in entrepot.yaml',
    },
    {
      name: 'a wrong answer',
      code: 'UPSTREAM_INVALID' as const,
      does: 'try again; if it stays, quay.io or something in between is broken',
    },
    { name: 'none where none fits', code: 'MANIFEST_UNKNOWN' as const, does: undefined },
  ];
  for (const { name, code, hint, does } of hints) {
    test(`of a registry elsewhere say what to do: ${name}`, () => {
      const upstream = { registry: 'quay.io', status: 401, attempts: 2 };
      const error = new RegistryError(code, 'no', { origin: 'upstream', upstream, ...(hint ? { hint } : {}) });
      expect(viewOfError(error)).toMatchObject({ what: 'no', why: 'quay.io: status 401, 2 attempts' });
      expect(viewOfError(error).do).toBe(does);
      expect(viewOfError(new AppError(code, 'copy failed', { cause: error })).do).toBe(does);
    });
  }
  test('a bug in a job arrives as its end', async () => {
    await expect(client.scrub(quiet)).rejects.toMatchObject({ code: 'INTERNAL' });
  });
});

describe('jobs', () => {
  test('progress comes first, then the result', async () => {
    const events: ProgressEvent[] = [];
    const report = await client.mirrorApply(
      { names: ['a', 'b'], audit: true },
      { ...quiet, onProgress: (event) => events.push(event) },
    );
    expect(events).toEqual([{ kind: 'run-started', title: 'a+b true' }]);
    expect(report).toEqual(mirrorReport);
  });
  test('an error of the job is thrown', async () => {
    await expect(client.mirrorApply({ names: ['unknown'], audit: false }, quiet)).rejects.toMatchObject({
      code: 'MIRROR_UNKNOWN',
    });
  });
  test('a caller that goes away ends the job', async () => {
    const abort = new AbortController();
    const running = client.mirrorApply(
      { names: ['endless'], audit: false },
      { onProgress: () => abort.abort(), signal: abort.signal },
    );
    await expect(running).rejects.toThrow();
  });
});

test('the OpenAPI document lists every path', async () => {
  const response = await api.fetch(new Request('http://localhost/api/v1/openapi.json'));
  const document = (await response.json()) as { paths: object };
  expect(Object.keys(document.paths).toSorted()).toEqual([
    '/api/v1/config',
    '/api/v1/gc',
    '/api/v1/image',
    '/api/v1/image/cache',
    '/api/v1/images',
    '/api/v1/mirrors/apply',
    '/api/v1/namespace',
    '/api/v1/namespaces',
    '/api/v1/repositories',
    '/api/v1/scrub',
    '/api/v1/status',
    '/api/v1/tags',
    '/api/v1/upstreams',
    '/api/v1/warm',
  ]);
});
