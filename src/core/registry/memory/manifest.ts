import {
  algorithmOf,
  type Descriptor,
  digestOf,
  isDigest,
  type Manifest,
  type ManifestReference,
  parseManifest,
  type RepositoryName,
  requiredBlobs,
  type TagName,
} from '#core/oci';
import { blobSizeMismatch, digestMismatch, manifestBlobUnknown, manifestUnknown, servedBy } from '../answer.ts';
import type { Deleter, PutManifestOptions, Reader, Writer } from '../types.ts';
import { ensureRepository, type MemoryState, type Repository, repositoryOf, type StoredManifest } from './state.ts';

type ManifestMethods = Pick<Reader, 'resolveManifest' | 'getManifest'> &
  Pick<Writer, 'putManifest'> &
  Pick<Deleter, 'deleteTag' | 'deleteManifest'>;

export function manifestMethods(state: MemoryState): ManifestMethods {
  return {
    async resolveManifest(repository, reference) {
      return servedBy(state.name, manifestOf(state, repository, reference).descriptor);
    },
    async getManifest(repository, reference) {
      const { descriptor, bytes } = manifestOf(state, repository, reference);
      return servedBy(state.name, { descriptor, bytes });
    },
    async putManifest(repository, bytes, options) {
      const { tags } = options;
      const checked = checkManifest(bytes, options);
      const { manifest, descriptor } = checked;
      checkContent(state, repository, manifest);
      storeManifest(state, repository, { ...checked, bytes, tags });
      const subject = state.referrers ? manifest.subject?.digest : undefined;
      return { descriptor, tags: [...tags], ...(subject === undefined ? {} : { subject }) };
    },
    async deleteTag(repository, tag) {
      const target = repositoryOf(state, repository);
      if (!target.tags.delete(tag)) throw manifestUnknown(repository, tag);
      target.sortedTags = undefined;
    },
    async deleteManifest(repository, digest) {
      const target = repositoryOf(state, repository);
      if (!target.manifests.delete(digest)) throw manifestUnknown(repository, digest);
      for (const [tag, tagged] of target.tags) if (tagged === digest) target.tags.delete(tag);
      target.sortedTags = undefined;
    },
  };
}

type CheckedManifest = { readonly manifest: Manifest; readonly descriptor: Descriptor };

/** Throws MANIFEST_INVALID, MANIFEST_TOO_LARGE, DIGEST_INVALID. */
export function checkManifest(bytes: Uint8Array, { mediaType, digest }: PutManifestOptions): CheckedManifest {
  const manifest = parseManifest(bytes, mediaType);
  const actual = digestOf(bytes, digest === undefined ? 'sha256' : algorithmOf(digest));
  if (digest !== undefined && actual !== digest) throw digestMismatch(digest, actual);
  return { manifest, descriptor: { mediaType: manifest.mediaType, digest: actual, size: bytes.byteLength } };
}

type NewManifest = CheckedManifest & { readonly bytes: Uint8Array; readonly tags: readonly TagName[] };

export function storeManifest(state: MemoryState, name: RepositoryName, { tags, ...checked }: NewManifest): void {
  const { descriptor, manifest, bytes } = checked;
  const target = ensureRepository(state, name);
  target.manifests.set(descriptor.digest, { descriptor, bytes: bytes.slice(), manifest });
  for (const tag of tags) target.tags.set(tag, descriptor.digest);
  if (tags.length > 0) target.sortedTags = undefined;
}

export function findManifest(repository: Repository, reference: ManifestReference): StoredManifest | undefined {
  const digest = isDigest(reference) ? reference : repository.tags.get(reference);
  return digest === undefined ? undefined : repository.manifests.get(digest);
}

function manifestOf(state: MemoryState, name: RepositoryName, reference: ManifestReference): StoredManifest {
  const found = findManifest(repositoryOf(state, name), reference);
  if (!found) throw manifestUnknown(name, reference);
  return found;
}

function checkContent(state: MemoryState, name: RepositoryName, manifest: Manifest): void {
  const target = state.repositories.get(name);
  for (const blob of requiredBlobs(manifest)) {
    const sizeBytes = target?.blobs.get(blob.digest)?.size;
    if (sizeBytes === undefined) throw manifestBlobUnknown(name, blob.digest);
    if (sizeBytes !== blob.size) throw blobSizeMismatch(blob, sizeBytes);
  }
  if (state.sparseIndex) return;
  for (const { digest } of manifest.manifests) {
    if (!target?.manifests.has(digest)) throw manifestBlobUnknown(name, digest);
  }
}
