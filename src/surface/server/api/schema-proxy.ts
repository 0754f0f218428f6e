import { z } from '@hono/zod-openapi';
import { errorSchema } from './schema-error.ts';

/** What the API answers about pull-through. Fields are only ever added. Sizes in bytes, times in ISO 8601. */
const counts = z.record(z.string(), z.number());

export const quotaSchema = z
  .object({
    /** The user name, or `anonymous`. */
    account: z.string(),
    /** Pulls in the window, and those left of them. */
    limit: z.number().optional(),
    remaining: z.number().optional(),
    windowSeconds: z.number().optional(),
    resetAt: z.string().optional(),
    /** Nothing is asked before. */
    blockedUntil: z.string().optional(),
    seenAt: z.string().optional(),
  })
  .openapi('Quota');

export const upstreamSchema = z
  .object({
    host: z.string(),
    namespaces: z.array(z.string()),
    breaker: z.object({
      state: z.enum(['closed', 'open', 'half-open']),
      failures: z.number(),
      since: z.string().optional(),
      probeAt: z.string().optional(),
      why: z.string().optional(),
    }),
    quotas: z.array(quotaSchema),
    reservePulls: z.number(),
    /** Since this server started. */
    requests: z.number(),
    bytes: z.number(),
    pulls: z.number(),
    active: z.number(),
    waiting: z.number(),
  })
  .openapi('Upstream');

export const namespaceSchema = z
  .object({
    name: z.string(),
    type: z.enum(['hosted', 'proxy', 'virtual']),
    /** Of a proxy: where it reads. */
    upstreams: z.array(z.string()),
    /** Of a virtual one. */
    members: z.array(z.string()),
    push: z.string().optional(),
    hosts: z.array(z.string()),
  })
  .openapi('Namespace');

export const namespaceDetailSchema = namespaceSchema
  .extend({
    /** As configured. */
    rules: z.record(z.string(), z.unknown()),
    /** What is kept of a proxy or hosted one. */
    usage: z
      .object({
        bytes: z.number(),
        repositories: z.number(),
        tags: z.number(),
        manifests: z.number(),
        blobs: z.number(),
      })
      .optional(),
    maxBytes: z.number().optional(),
    /** Of a proxy, since `since`. */
    traffic: z
      .object({
        since: z.string(),
        verdicts: counts,
        /** Answers that needed no download, of all. */
        hitRate: z.number().optional(),
        bytesServed: z.number(),
        bytesSaved: z.number(),
        upstreamBytes: z.number(),
        upstreamPulls: z.number(),
      })
      .optional(),
    repositories: z.array(z.string()),
  })
  .openapi('NamespaceDetail');

export const cacheEntrySchema = z
  .object({
    namespace: z.string(),
    repository: z.string(),
    reference: z.string(),
    /** The name there. */
    upstream: z.string(),
    cached: z.boolean(),
    digest: z.string().optional(),
    checkedAt: z.string().optional(),
    freshUntil: z.string().optional(),
    servedStaleUntil: z.string().optional(),
    /** What decides, as the configuration names it. */
    rule: z.string(),
    /** What the next pull would be. */
    next: z.string(),
    why: z.string(),
    blobs: z.object({ here: z.number(), all: z.number(), bytesHere: z.number(), bytes: z.number() }).optional(),
  })
  .openapi('CacheEntry');

export const warmedImageSchema = z
  .object({
    image: z.string(),
    outcome: z.enum(['fetched', 'here', 'failed', 'stopped']),
    digest: z.string().optional(),
    manifests: z.number(),
    blobs: z.number(),
    bytes: z.number(),
    /** Bytes that were not here before. */
    newBytes: z.number(),
    error: errorSchema.optional(),
  })
  .openapi('WarmedImage');

export const warmReportSchema = z
  .object({ images: z.array(warmedImageSchema), newBytes: z.number(), durationMs: z.number() })
  .openapi('WarmReport');

export type QuotaItem = z.infer<typeof quotaSchema>;
export type UpstreamItem = z.infer<typeof upstreamSchema>;
export type NamespaceItem = z.infer<typeof namespaceSchema>;
export type NamespaceDetail = z.infer<typeof namespaceDetailSchema>;
export type CacheEntry = z.infer<typeof cacheEntrySchema>;
export type WarmedImage = z.infer<typeof warmedImageSchema>;
export type WarmReport = z.infer<typeof warmReportSchema>;
