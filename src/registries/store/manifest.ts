import {
  algorithmOf,
  artifactTypeOf,
  type Descriptor,
  type Digest,
  descriptorToJson,
  digestOf,
  isDigest,
  type Manifest,
  type ManifestReference,
  parseManifest,
  type RepositoryName,
  referrerDescriptor,
  requiredBlobs,
} from '#core/oci';
import {
  blobSizeMismatch,
  type Deleter,
  digestMismatch,
  manifestUnknown,
  type PutManifestAnswer,
  type PutManifestOptions,
  type Reader,
  servedBy,
  type Writer,
} from '#core/registry';
import { isSqlError } from '#core/sql';
import { deleteManifest, type PutManifestArgs, putManifest } from './catalog/manifest.ts';
import { readByDigest, readByTag, readManifestBytes } from './catalog/read.ts';
import { deleteTag } from './catalog/tag.ts';
import { holdingGc, type StoreContext, seenKey } from './context.ts';
import { findRepository, repositoryOf } from './repository.ts';
import { principalKey } from './session.ts';
import { contentMissing, storing } from './storage-error.ts';

type ManifestMethods = Pick<Reader, 'resolveManifest' | 'getManifest'> &
  Pick<Writer, 'putManifest'> &
  Pick<Deleter, 'deleteTag' | 'deleteManifest'>;

export function manifestMethods(context: StoreContext): ManifestMethods {
  const { name, cache } = context;
  return {
    async resolveManifest(repository, reference) {
      const look = async () => cache.find(repository, reference) ?? (await resolve(context, repository, reference));
      // Who asks by digest may be about to push an index of it; a tag holds what it stands for by itself.
      if (!isDigest(reference)) return servedBy(name, await look());
      return servedBy(name, await holdingGc(context, seenKey(repository, reference), look));
    },
    async getManifest(repository, reference) {
      const descriptor = cache.find(repository, reference) ?? (await resolve(context, repository, reference));
      const bytes = cache.bytesOf(descriptor.digest) ?? (await readBytes(context, descriptor.digest));
      if (!bytes) throw manifestUnknown(repository, reference);
      return servedBy(name, { descriptor, bytes });
    },
    putManifest: (repository, bytes, options, call) =>
      storing(() => {
        const principal = principalKey(call.principal);
        return storeManifest(context, repository, { bytes, options, principal, isKept: false });
      }),
    deleteTag: (repository, tag, call) =>
      storing(async () => {
        const args = { repository, tag, nowMs: context.clock.now(), principal: principalKey(call.principal) };
        const deleted = await cache.change(
          repository,
          () => context.database.write(deleteTag, args),
          () => [tag],
        );
        if (!deleted) await refuseUnknown(context, repository, tag);
      }),
    deleteManifest: (repository, digest, call) =>
      storing(async () => {
        const args = { repository, digest, nowMs: context.clock.now(), principal: principalKey(call.principal) };
        const tags = await cache.change(
          repository,
          () => context.database.write(deleteManifest, args),
          (deleted) => [digest, ...((deleted ?? []) as ManifestReference[])],
        );
        if (!tags) await refuseUnknown(context, repository, digest);
      }),
  };
}

async function refuseUnknown(context: StoreContext, repository: RepositoryName, reference: ManifestReference) {
  await repositoryOf(context, repository);
  throw manifestUnknown(repository, reference);
}

async function resolve(
  context: StoreContext,
  repository: RepositoryName,
  reference: ManifestReference,
): Promise<Descriptor> {
  const found = await context.cache.remember(repository, reference, async () => {
    const id = await repositoryOf(context, repository);
    return isDigest(reference)
      ? await readByDigest(context.database, id, reference)
      : await readByTag(context.database, id, reference);
  });
  if (!found) throw manifestUnknown(repository, reference);
  return found;
}

async function readBytes(context: StoreContext, digest: Digest): Promise<Uint8Array | undefined> {
  const bytes = await readManifestBytes(context.database, digest);
  if (bytes) context.cache.keepBytes(digest, bytes);
  return bytes;
}

export type NewManifest = {
  readonly bytes: Uint8Array;
  readonly options: PutManifestOptions;
  readonly principal: string;
  /** Whether a cache keeps it, with or without its content. */
  readonly isKept: boolean;
};

export async function storeManifest(
  context: StoreContext,
  repository: RepositoryName,
  { bytes, options, principal, isKept }: NewManifest,
): Promise<PutManifestAnswer> {
  const manifest = parseManifest(bytes, options.mediaType);
  const digest = digestOf(bytes, options.digest === undefined ? 'sha256' : algorithmOf(options.digest));
  if (options.digest !== undefined && digest !== options.digest) throw digestMismatch(options.digest, digest);
  const args: PutManifestArgs = {
    ...contentArgs(manifest, digest, bytes),
    repository,
    wholeIndex: !context.sparseIndexes,
    tags: options.tags,
    nowMs: context.clock.now(),
    principal,
    isKept,
  };
  try {
    await context.cache.change(
      repository,
      () => context.database.write(putManifest, args),
      () => [digest, ...options.tags],
    );
  } catch (thrown) {
    if (isSqlError(thrown, 'MANIFEST_BLOB_UNKNOWN')) throw contentMissing(repository, thrown.detail, thrown);
    if (isSqlError(thrown, 'MANIFEST_INVALID')) {
      const { digest, size, actualSize } = thrown.detail as SizeFact;
      throw blobSizeMismatch({ digest, size }, actualSize);
    }
    throw thrown;
  }
  // A copy: the caller's buffer is the caller's.
  context.cache.keepBytes(digest, bytes.slice());
  await findRepository(context, repository);
  const subject = manifest.subject?.digest;
  const descriptor = { mediaType: manifest.mediaType, digest, size: bytes.byteLength };
  return { descriptor, tags: [...options.tags], ...(subject === undefined ? {} : { subject }) };
}

/** What the catalog says of a blob whose size the manifest has wrong. */
type SizeFact = { readonly digest: Digest; readonly size: number; readonly actualSize: number };

function contentArgs(manifest: Manifest, digest: Digest, bytes: Uint8Array) {
  const required = new Set<string>(requiredBlobs(manifest).map((blob) => blob.digest));
  const all = manifest.config ? [manifest.config, ...manifest.layers] : manifest.layers;
  const subject = manifest.subject?.digest;
  return {
    digest,
    bytes,
    mediaType: manifest.mediaType,
    blobs: [...new Map(all.map((blob) => [blob.digest, blob])).values()].map((blob) => ({
      digest: blob.digest,
      sizeBytes: blob.size,
      required: required.has(blob.digest),
    })),
    children: [...new Set(manifest.manifests.map((child) => child.digest))],
    ...(subject === undefined ? {} : { subject, referrer: referrerOf(manifest, digest, bytes.byteLength) }),
  };
}

function referrerOf(manifest: Manifest, digest: Digest, sizeBytes: number) {
  return {
    artifactType: artifactTypeOf(manifest) ?? '',
    descriptor: JSON.stringify(descriptorToJson(referrerDescriptor(digest, sizeBytes, manifest))),
  };
}
