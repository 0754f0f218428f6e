import { type Descriptor, type Digest, type Manifest, MediaType, type RepositoryName, type TagName } from '#core/oci';
import { blobUnknown, isWithin, nameUnknown } from '../answer.ts';
import type { Principal } from '../types.ts';

export type StoredManifest = {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
};

export type Repository = {
  readonly manifests: Map<Digest, StoredManifest>;
  readonly tags: Map<TagName, Digest>;
  /** A Blob is immutable, sliced without copying, and what the server hands out as a file. */
  readonly blobs: Map<Digest, Blob>;
  /** The tags' names in order, made when first asked for after a change. */
  sortedTags: readonly TagName[] | undefined;
};

export type Session = {
  readonly id: string;
  readonly repository: RepositoryName;
  readonly principal: Principal;
  readonly chunks: Uint8Array[];
  offset: number;
  busy: boolean;
};

export type MemoryState = {
  readonly name: string;
  readonly sparseIndex: boolean;
  readonly referrers: boolean;
  readonly referrersPerPage: number;
  readonly newUploadId: () => string;
  /** A repository begins with the first content stored in it, and stays when that is deleted. */
  readonly repositories: Map<RepositoryName, Repository>;
  readonly uploads: Map<string, Session>;
};

/** Throws NAME_UNKNOWN. */
export function repositoryOf(state: MemoryState, name: RepositoryName): Repository {
  const repository = state.repositories.get(name);
  if (!repository) throw nameUnknown(name);
  return repository;
}

export function ensureRepository(state: MemoryState, name: RepositoryName): Repository {
  const known = state.repositories.get(name);
  if (known) return known;
  const created: Repository = { manifests: new Map(), tags: new Map(), blobs: new Map(), sortedTags: undefined };
  state.repositories.set(name, created);
  return created;
}

/** Throws NAME_UNKNOWN, BLOB_UNKNOWN. */
export function blobOf(state: MemoryState, name: RepositoryName, digest: Digest): Blob {
  const blob = repositoryOf(state, name).blobs.get(digest);
  if (!blob) throw blobUnknown(name, digest);
  return blob;
}

/** A blob in whatever repository: for who has asked already whether it may be seen. */
export function findBlob(state: MemoryState, digest: Digest, namespaces?: readonly RepositoryName[]): Blob | undefined {
  for (const [name, { blobs }] of state.repositories) {
    const blob = blobs.get(digest);
    if (blob && (!namespaces || isWithin(name, namespaces))) return blob;
  }
  return undefined;
}

export function blobDescriptor(digest: Digest, sizeBytes: number): Descriptor {
  return { mediaType: MediaType.octets, digest, size: sizeBytes };
}
