import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { STATUS_OF_CODE } from '#core/oci';
import { AppError, type Log } from '#core/std';
import { viewOfError } from './error.ts';
import type { Operations } from './operations.ts';
import {
  cacheEntrySchema,
  configInForceSchema,
  deletedSchema,
  errorSchema,
  gcReportSchema,
  imageDetailSchema,
  imageSchema,
  mirrorReportSchema,
  namespaceDetailSchema,
  namespaceSchema,
  progressSchema,
  repositorySchema,
  scrubReportSchema,
  statusSchema,
  tagSchema,
  upstreamSchema,
  warmReportSchema,
} from './schema.ts';
import { streamJob } from './stream.ts';

export type ApiOptions = { readonly operations: Operations; readonly log: Log; readonly version: string };

export type Api = { fetch(request: Request): Promise<Response> };

/** Names in one answer at most; ask for the next page with `after`. */
const MOST_ITEMS = 1000;

const page = z.object({
  after: z.string().max(1024).optional(),
  limit: z.coerce.number().int().min(1).max(MOST_ITEMS).default(100),
});
const named = page.extend({ repository: z.string().max(255) });
const reference = z.object({ repository: z.string().max(255), reference: z.string().max(160) });
const namespaceQuery = z.object({ name: z.string().max(255) });
const warmQuery = z.object({ image: z.array(z.string()).default([]), platform: z.array(z.string()).default([]) });
const flag = z.enum(['true', 'false']).default('false');
const anyQuery = z.object({});
const mirrorQuery = z.object({ name: z.array(z.string()).default([]), audit: flag });
const gcQuery = z.object({ apply: flag, untagged: flag });

/** `/api/v1`: what the command line and the console ask. Reached over the socket of the data folder only. */
export function createApi({ operations, log, version }: ApiOptions): Api {
  const api = new OpenAPIHono({
    defaultHook: (result) => {
      if (!result.success)
        throw new AppError('USAGE', 'the request is not right', { why: z.prettifyError(result.error) });
    },
  }).basePath('/api/v1');
  addReads(api, operations);
  addProxyReads(api, operations);
  addChanges(api, operations);
  api.doc('/openapi.json', { openapi: '3.1.0', info: { title: 'Entrepot', version } });
  api.notFound(() =>
    respond(new AppError('NOT_FOUND', 'there is no such page', { hint: '/api/v1/openapi.json lists them' })),
  );
  api.onError((thrown) => {
    if (!(thrown instanceof AppError)) log.error('an API request failed', { error: String(thrown) });
    return respond(thrown);
  });
  return { fetch: async (request) => api.fetch(request) };
}

function addReads(api: OpenAPIHono, operations: Operations): void {
  api.openapi(get('/status', statusSchema), async (c) => c.json(await operations.status(), 200));
  api.openapi(get('/config', configInForceSchema), async (c) => c.json(await operations.config(), 200));
  api.openapi(get('/repositories', listOf(repositorySchema), page), async (c) =>
    c.json(listed(await operations.repositories(optionsOf(c.req.valid('query')))), 200),
  );
  api.openapi(get('/tags', listOf(tagSchema), named), async (c) => {
    const query = c.req.valid('query');
    return c.json(listed(await operations.tags(query.repository, optionsOf(query))), 200);
  });
  api.openapi(get('/images', listOf(imageSchema), named), async (c) => {
    const query = c.req.valid('query');
    return c.json(listed(await operations.images(query.repository, optionsOf(query))), 200);
  });
  api.openapi(get('/image', imageDetailSchema, reference), async (c) => {
    const query = c.req.valid('query');
    return c.json(await operations.image(query.repository, query.reference), 200);
  });
}

function addProxyReads(api: OpenAPIHono, operations: Operations): void {
  api.openapi(get('/upstreams', listOf(upstreamSchema)), async (c) =>
    c.json(listed({ items: await operations.upstreams() }), 200),
  );
  api.openapi(get('/namespaces', listOf(namespaceSchema)), async (c) =>
    c.json(listed({ items: await operations.namespaces() }), 200),
  );
  api.openapi(get('/namespace', namespaceDetailSchema, namespaceQuery), async (c) =>
    c.json(await operations.namespace(c.req.valid('query').name), 200),
  );
  // None, or one: a name that no proxy serves has no entry.
  api.openapi(get('/image/cache', listOf(cacheEntrySchema), reference), async (c) => {
    const query = c.req.valid('query');
    const entry = await operations.cacheEntry(query.repository, query.reference);
    return c.json(listed({ items: entry ? [entry] : [] }), 200);
  });
}

function addChanges(api: OpenAPIHono, operations: Operations): void {
  const remove = createRoute({ ...get('/image', deletedSchema, reference), method: 'delete' });
  api.openapi(remove, async (c) => {
    const query = c.req.valid('query');
    return c.json(await operations.deleteImage(query.repository, query.reference), 200);
  });
  const gc = createRoute({ ...get('/gc', gcReportSchema, gcQuery), method: 'post' });
  api.openapi(gc, async (c) => {
    const { apply, untagged } = c.req.valid('query');
    return c.json(await operations.gc({ apply: apply === 'true', untagged: untagged === 'true' }), 200);
  });
  for (const [path, schema, query] of [
    ['/scrub', scrubReportSchema, anyQuery],
    ['/mirrors/apply', mirrorReportSchema, mirrorQuery],
    ['/warm', warmReportSchema, warmQuery],
  ] as const) {
    api.openAPIRegistry.registerPath(jobRoute(path, schema, query));
  }
  api.post('/scrub', (c) => streamJob(c.req.raw, (running) => operations.scrub(running)));
  api.post('/warm', (c) =>
    streamJob(c.req.raw, (running) =>
      operations.warm({ images: c.req.queries('image') ?? [], platforms: c.req.queries('platform') ?? [] }, running),
    ),
  );
  api.post('/mirrors/apply', (c) =>
    streamJob(c.req.raw, (running) =>
      operations.mirrorApply({ names: c.req.queries('name') ?? [], audit: c.req.query('audit') === 'true' }, running),
    ),
  );
}

function get<S extends z.ZodType, Q extends z.ZodObject = typeof anyQuery>(path: string, schema: S, query?: Q) {
  return createRoute({
    method: 'get',
    path,
    request: { query: (query ?? anyQuery) as Q },
    responses: {
      200: { description: 'The answer', content: { 'application/json': { schema } } },
      default: { description: 'What went wrong', content: { 'application/json': { schema: errorSchema } } },
    },
  });
}

/** A job answers lines of JSON: `progress` while it runs, then one `result` or `error`. */
function jobRoute(path: string, result: z.ZodType, query: z.ZodObject) {
  const schema = z.union([
    z.object({ type: z.literal('progress'), event: progressSchema }),
    z.object({ type: z.literal('alive') }),
    z.object({ type: z.literal('result'), result }),
    z.object({ type: z.literal('error'), error: errorSchema }),
  ]);
  const content = { 'application/jsonl': { schema } };
  return {
    method: 'post' as const,
    path,
    request: { query },
    responses: { 200: { description: 'Lines of JSON', content } },
  };
}

function listOf<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), next: z.string().optional() });
}

function optionsOf(query: { after?: string | undefined; limit: number }) {
  return { limit: query.limit, ...(query.after === undefined ? {} : { after: query.after }) };
}

function listed<T>(list: { readonly items: readonly T[]; readonly next?: string }) {
  return { items: [...list.items], ...(list.next === undefined ? {} : { next: list.next }) };
}

const OTHER_STATUS: Readonly<Record<string, number>> = { USAGE: 400, MIRROR_UNKNOWN: 404, CONFIG_INVALID: 400 };

function respond(thrown: unknown): Response {
  const view = viewOfError(thrown);
  const known: Readonly<Record<string, number>> = STATUS_OF_CODE;
  return Response.json(view, { status: OTHER_STATUS[view.code] ?? known[view.code] ?? 500 });
}
