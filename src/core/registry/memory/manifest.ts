import {
  algorithmOf,
  digestOf,
  isDigest,
  type Manifest,
  type ManifestReference,
  parseManifest,
  type RepositoryName,
  requiredBlobs,
} from '#core/oci';
import { blobSizeMismatch, digestMismatch, manifestBlobUnknown, manifestUnknown, servedBy } from '../answer.ts';
import type { Deleter, Reader, Writer } from '../types.ts';
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
    async putManifest(repository, bytes, { mediaType, digest, tags }) {
      const manifest = parseManifest(bytes, mediaType);
      const actual = digestOf(bytes, digest === undefined ? 'sha256' : algorithmOf(digest));
      if (digest !== undefined && actual !== digest) throw digestMismatch(digest, actual);
      checkContent(state, repository, manifest);
      const descriptor = { mediaType: manifest.mediaType, digest: actual, size: bytes.byteLength };
      const target = ensureRepository(state, repository);
      target.manifests.set(actual, { descriptor, bytes: bytes.slice(), manifest });
      for (const tag of tags) target.tags.set(tag, actual);
      if (tags.length > 0) target.sortedTags = undefined;
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
