import { z } from '@hono/zod-openapi';
import { errorSchema } from './schema-error.ts';
import { upstreamSchema } from './schema-proxy.ts';

export * from './schema-error.ts';
export * from './schema-proxy.ts';

/** What the API answers. Fields are only ever added. Sizes in bytes, times in ISO 8601. */
const digest = z.string().openapi({ example: 'sha256:…' });

export const statusSchema = z
  .object({
    version: z.string(),
    /** Whether a server answered; false when a command looked into the folder by itself. */
    serving: z.boolean(),
    url: z.string().optional(),
    startedAt: z.string().optional(),
    storage: z.object({
      path: z.string(),
      repositories: z.number(),
      manifests: z.number(),
      manifestBytes: z.number(),
      tags: z.number(),
      blobs: z.number(),
      blobBytes: z.number(),
      uploads: z.number(),
    }),
    namespaces: z.array(z.string()),
    /** Of proxy namespaces: what each holds and saves. */
    proxies: z.array(
      z.object({
        namespace: z.string(),
        upstreams: z.array(z.string()),
        bytes: z.number(),
        maxBytes: z.number().optional(),
        hitRate: z.number().optional(),
        bytesSaved: z.number(),
        upstreamPulls: z.number(),
      }),
    ),
    upstreams: z.array(upstreamSchema),
    mirrors: z.array(z.string()),
  })
  .openapi('Status');

/** The configuration in force, as in entrepot.yaml with its defaults; secrets are only named in it. */
export const configInForceSchema = z.record(z.string(), z.unknown()).openapi('Config');

export const repositorySchema = z.object({ name: z.string() }).openapi('Repository');

export const tagSchema = z.object({ repository: z.string(), name: z.string(), digest }).openapi('Tag');

export const imageSchema = z
  .object({
    repository: z.string(),
    tag: z.string().optional(),
    digest,
    mediaType: z.string(),
    artifactType: z.string().optional(),
    platforms: z.array(z.string()),
    /** Compressed, of every platform, each blob counted once. */
    sizeBytes: z.number(),
  })
  .openapi('Image');

export const imageDetailSchema = imageSchema
  .extend({
    manifests: z.array(
      z.object({ digest, platform: z.string().optional(), sizeBytes: z.number(), missing: z.boolean() }),
    ),
    layers: z.array(z.object({ digest, mediaType: z.string(), sizeBytes: z.number() })),
    annotations: z.record(z.string(), z.string()),
    attached: z.array(z.object({ digest, artifactType: z.string(), via: z.string() })),
  })
  .openapi('ImageDetail');

export const deletedSchema = z
  .object({ repository: z.string(), reference: z.string(), what: z.enum(['tag', 'manifest', 'copy']) })
  .openapi('Deleted');

export const gcReportSchema = z
  .object({
    applied: z.boolean(),
    manifests: z.number(),
    /** Blobs that a repository no longer needs; the blob itself goes when none does. */
    blobLinks: z.number(),
    blobs: z.number(),
    /** Files on disk; of a plan, those that a crash left. */
    files: z.number(),
    bytes: z.number(),
  })
  .openapi('GcReport');

const damageSchema = z.object({
  kind: z.string(),
  digest: z.string(),
  reason: z.string(),
  repositories: z.array(z.string()),
  caches: z.array(z.string()),
});

export const scrubReportSchema = z
  .object({
    blobs: z.number(),
    manifests: z.number(),
    readBytes: z.number(),
    damaged: z.array(damageSchema),
    forgotten: z.array(damageSchema),
  })
  .openapi('ScrubReport');

export const mirroredImageSchema = z
  .object({
    mirror: z.string(),
    source: z.string(),
    destination: z.string(),
    outcome: z.enum(['copied', 'unchanged', 'failed', 'stopped']),
    digest: z.string().optional(),
    bytes: z.number(),
    error: errorSchema.optional(),
  })
  .openapi('MirroredImage');

export const mirrorReportSchema = z
  .object({
    images: z.array(mirroredImageSchema),
    copied: z.number(),
    unchanged: z.number(),
    failed: z.number(),
    stopped: z.number(),
    bytes: z.number(),
    durationMs: z.number(),
  })
  .openapi('MirrorReport');

/** Progress of a long job. Bytes are sums so far, so that a lost event harms nothing. */
export const progressSchema = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('run-started'), title: z.string() }),
    z.object({ kind: z.literal('run-planned'), images: z.number() }),
    z.object({ kind: z.literal('image-started'), image: z.string() }),
    z.object({ kind: z.literal('image-planned'), image: z.string(), totalBytes: z.number() }),
    z.object({ kind: z.literal('image-progress'), image: z.string(), doneBytes: z.number() }),
    z.object({
      kind: z.literal('image-done'),
      image: z.string(),
      /** How to name it to a person, where that is not the name it was started under. */
      label: z.string().optional(),
      outcome: z.enum(['copied', 'unchanged', 'failed', 'stopped']),
      bytes: z.number(),
      durationMs: z.number(),
      error: errorSchema.optional(),
    }),
    z.object({ kind: z.literal('item-done'), title: z.string(), done: z.number(), total: z.number().optional() }),
    z.object({ kind: z.literal('warning'), message: z.string() }),
  ])
  .openapi('Progress');

export type Status = z.infer<typeof statusSchema>;
export type ConfigInForce = z.infer<typeof configInForceSchema>;
export type RepositoryItem = z.infer<typeof repositorySchema>;
export type TagItem = z.infer<typeof tagSchema>;
export type ImageItem = z.infer<typeof imageSchema>;
export type ImageDetail = z.infer<typeof imageDetailSchema>;
export type Deleted = z.infer<typeof deletedSchema>;
export type GcReport = z.infer<typeof gcReportSchema>;
export type ScrubReport = z.infer<typeof scrubReportSchema>;
export type MirroredImage = z.infer<typeof mirroredImageSchema>;
export type MirrorReport = z.infer<typeof mirrorReportSchema>;
export type ProgressEvent = z.infer<typeof progressSchema>;
