import type { Descriptor, Digest, RepositoryName, TagName } from '#core/oci';
import type { ByteStream } from '#core/std';
import type { PutManifestOptions, Registry } from './types.ts';

/** A blob on its way in from an upstream: its bytes grow, and can be read while they do. One holder at a time. */
export interface Part {
  readonly digest: Digest;
  /** Bytes that are here and may be read. After a restart: those that were kept. */
  readonly offset: number;
  /**
   * Adds bytes at `offset`. Answers when the next may come: the disk may be a bounded way behind. The chunk is not
   * copied: nobody changes it any more. Throws INSUFFICIENT_STORAGE, BLOB_TOO_LARGE.
   */
  append(chunk: Uint8Array): Promise<void>;
  /** Bytes from `start` up to `end`, which is at most `offset`. Any number of readers, also after `commit`. */
  read(range: { readonly start: number; readonly end: number }): ByteStream;
  /**
   * Makes it a blob of the repositories once size and digest hold; durable when it resolves. Each byte was written once.
   * `onRight` is called when they hold, before it is on disk: its readers need not wait for that.
   * Throws SIZE_INVALID, DIGEST_INVALID (the part is gone then), INSUFFICIENT_STORAGE.
   */
  commit(repositories: readonly RepositoryName[], sizeBytes: number, onRight?: () => void): Promise<Descriptor>;
  /** Lets go of it and keeps its bytes for the next `open`, also of a later process. */
  close(): Promise<void>;
  /** Lets go of it and forgets its bytes. */
  discard(): Promise<void>;
}

export interface PartStore {
  /** Takes up what is kept of a digest, or begins anew. Throws INTERNAL when somebody holds it, INSUFFICIENT_STORAGE. */
  open(digest: Digest): Promise<Part>;
  /** Parts that nobody holds, the longest untouched first. */
  list(): Promise<readonly PartFact[]>;
  /** Forgets a part that nobody holds. */
  remove(digest: Digest): Promise<void>;
}

export type PartFact = { readonly digest: Digest; readonly sizeBytes: number; readonly touchedAtMs: number };

/** What a namespace of a cache holds. Blobs that it shares with others count whole. */
export type CacheUsage = {
  readonly bytes: number;
  readonly repositories: number;
  readonly tags: number;
  readonly manifests: number;
  readonly blobs: number;
};

export type Eviction = {
  readonly targetBytes: number;
  /** What hangs together with such a tag stays, whatever its age. Without a tag: what has none, as it was pulled by digest. */
  readonly isPinned: (repository: RepositoryName, tag: TagName | undefined) => boolean;
};
export type Evicted = { readonly bytes: number; readonly manifests: number; readonly blobs: number };

/** What only the fetcher of a cache does to the registry that keeps its content. */
export interface CacheKeeping {
  readonly parts: PartStore;
  /**
   * Keeps a manifest's exact bytes, whether or not its blobs and children are here, and moves `tags` to it in one step.
   * Throws MANIFEST_INVALID, MANIFEST_TOO_LARGE, DIGEST_INVALID, INSUFFICIENT_STORAGE.
   */
  keepManifest(repository: RepositoryName, bytes: Uint8Array, options: PutManifestOptions): Promise<Descriptor>;
  /** Moves a tag to a manifest that is here. False: it is not. */
  keepTag(repository: RepositoryName, tag: TagName, digest: Digest): Promise<boolean>;
  /** A blob that a repository of these namespaces holds; default: any does. Nobody may be told so: see `linkBlob`. */
  findBlob(digest: Digest, namespaces?: readonly RepositoryName[]): Promise<Descriptor | undefined>;
  /**
   * Links a blob that `findBlob` finds to this repository. Only after the upstream was asked whether that repository
   * has it: what somebody may not read must not appear by its digest alone. Undefined: it is not here.
   */
  linkBlob(
    repository: RepositoryName,
    digest: Digest,
    namespaces?: readonly RepositoryName[],
  ): Promise<Descriptor | undefined>;
  /**
   * Notes a use; nobody waits, uses are written in batches. Using one thing uses what hangs together with it: a manifest
   * its blobs, children and the indexes that name it, with their tags; a blob the manifest that alone names it. Of what
   * is not here, or was pushed, nothing is noted.
   */
  touch(repository: RepositoryName, digest: Digest): void;
  usage(namespace: RepositoryName): Promise<CacheUsage>;
  /**
   * Drops what was used longest ago until the namespace holds no more than `targetBytes`: a manifest that hangs on no
   * other goes with all that hangs on it, and what was pushed never. Readers are not cut. Files are gone when it
   * resolves, some seconds later.
   */
  evict(namespace: RepositoryName, eviction: Eviction): Promise<Evicted>;
}

/** A registry that a cache can keep its content in. */
export type CacheStore = Registry & { readonly cache: CacheKeeping };
