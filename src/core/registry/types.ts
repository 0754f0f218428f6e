import type { Descriptor, Digest, DigestAlgorithm, ManifestReference, RepositoryName, TagName } from '#core/oci';
import type { ByteSource, ByteStream } from '#core/std';

/** Who acts. Jobs act as a named `system` principal; `anonymous` is somebody without credentials. */
export type Principal = { readonly kind: 'anonymous' | 'system' | 'key' | 'person'; readonly name: string };

/** Who asks, why, and with what patience: given to every method, read by wrappers. */
export type Call = {
  readonly principal: Principal;
  /** One id per request or job step; stands in every log line and error about it. */
  readonly requestId: string;
  readonly purpose: 'pull' | 'push' | 'mirror' | 'verify' | 'warm' | 'scrub';
  readonly signal?: AbortSignal;
  readonly freshness?: 'default' | 'revalidate' | 'local';
};

/** What happened on the way to an answer. The server makes headers of it, `observed` log lines and metrics. */
export type ServedBy = {
  /** The registry that answered: `memory`, `store`, a host, a namespace. */
  readonly by: string;
  readonly verdict?: string;
  readonly ageSeconds?: number;
  readonly upstream?: string;
  readonly policy?: string;
  /** In a few words why it was this verdict: for the log and the curious. */
  readonly reason?: string;
  readonly warnings: readonly string[];
};
export type Served<T> = { readonly value: T; readonly served: ServedBy };

export type ManifestAnswer = { readonly descriptor: Descriptor; readonly bytes: Uint8Array };

/** Bytes of a blob from `start` up to but not including `end` (default: its end). */
export type ByteRange = { readonly start: number; readonly end?: number };

/**
 * A blob, or the part asked for. `descriptor.size` is always the size of the whole blob;
 * `file` and `body` hold exactly the range (clamped to the blob's end).
 * - `file` lets the server hand the kernel the file;
 * - `redirect` is an answer like any other, given only where `redirectOk` was said.
 */
export type BlobAnswer =
  | { readonly kind: 'file'; readonly descriptor: Descriptor; readonly file: Blob }
  | {
      readonly kind: 'stream';
      readonly descriptor: Descriptor;
      readonly body: ByteStream;
      /** The body is the whole blob and errs, instead of ending, where its bytes are not those of the digest. */
      readonly verified?: true;
      /** Gives the whole blob another way; then `body` is left alone. See `Handover`. */
      readonly handOver?: () => Handover;
    }
  | { readonly kind: 'redirect'; readonly descriptor: Descriptor; readonly url: string; readonly expiresAtMs: number };

/**
 * A blob's bytes straight from their connection: neither checked nor resumed nor watched, and cheap for that.
 * Only for whoever gives them to a registry, which checks their digest before it keeps them, and watches the time.
 */
export type Handover = {
  readonly body: ByteStream;
  /** Lets go of the connection: at the end, and to cut it. `receivedBytes`, where it was cut, for whoever counts. */
  end(reason?: unknown, receivedBytes?: number): void;
};

export type BlobOptions = { readonly range?: ByteRange; readonly redirectOk?: boolean };

/** Reads. Any method may also throw UNAUTHORIZED, DENIED, TOOMANYREQUESTS and the UPSTREAM_ codes. */
export interface Reader {
  /** What a tag or digest stands for, without its content. Throws NAME_UNKNOWN, MANIFEST_UNKNOWN. */
  resolveManifest(repository: RepositoryName, reference: ManifestReference, call: Call): Promise<Served<Descriptor>>;
  /** Size of a blob that is linked in this repository. Throws NAME_UNKNOWN, BLOB_UNKNOWN. */
  resolveBlob(repository: RepositoryName, digest: Digest, call: Call): Promise<Served<Descriptor>>;
  /** A manifest's exact bytes. Throws NAME_UNKNOWN, MANIFEST_UNKNOWN. */
  getManifest(repository: RepositoryName, reference: ManifestReference, call: Call): Promise<Served<ManifestAnswer>>;
  /** A blob or a range of it. Throws NAME_UNKNOWN, BLOB_UNKNOWN, RANGE_INVALID (start at or past the end of a non-empty request). */
  getBlob(repository: RepositoryName, digest: Digest, options: BlobOptions, call: Call): Promise<Served<BlobAnswer>>;
}

/** `after` is a name, or the `next` of the page before (opaque: some registries number their pages). */
export type PageOptions = { readonly after?: string; readonly limit: number };
/** `next` is absent on the last page. */
export type Page<T> = { readonly items: readonly T[]; readonly next?: string };

export type ReferrersOptions = { readonly artifactTypes?: readonly string[]; readonly after?: string };
/** `filtered` says whether `artifactTypes` was applied; if not, the caller filters. */
export type ReferrersPage = Page<Descriptor> & { readonly filtered: boolean };

/** Lists, in the byte order of names. */
export interface Lister {
  /** Repositories that hold or held something. Throws UNSUPPORTED. */
  repositories(options: PageOptions, call: Call): Promise<Served<Page<RepositoryName>>>;
  /** Throws NAME_UNKNOWN. */
  tags(repository: RepositoryName, options: PageOptions, call: Call): Promise<Served<Page<TagName>>>;
  /** Manifests whose subject is `digest`, which itself need not exist. An unknown repository has none. */
  referrers(
    repository: RepositoryName,
    digest: Digest,
    options: ReferrersOptions,
    call: Call,
  ): Promise<Served<ReferrersPage>>;
}

export type PutManifestOptions = {
  readonly mediaType: string;
  /** When given, the content must have this digest: DIGEST_INVALID otherwise. Without it: sha256. */
  readonly digest?: Digest;
  /** Tags set to the manifest in the same transaction, all or none. */
  readonly tags: readonly TagName[];
};

export type PutManifestAnswer = {
  readonly descriptor: Descriptor;
  /** The subject's digest when this registry keeps referrers lists itself; absent: the pusher keeps the fallback tag. */
  readonly subject?: Digest;
  /** Tags that now point at the manifest. */
  readonly tags: readonly TagName[];
};

/** A blob to be uploaded. `size` when known: destinations that need a Content-Length get it. */
export type BlobTarget = { readonly digest: Digest; readonly size?: number };

export type MountOptions = {
  /** The repository to mount from; the destination itself asks "is it here?". Absent: from wherever the caller may read. */
  readonly from?: RepositoryName;
  /** Whether the caller may pull from a repository. Asked before anything about it is revealed. */
  readonly mayRead: (repository: RepositoryName) => boolean | Promise<boolean>;
};

/** Either the blob is linked now, or an upload was begun for it, which the caller goes on with or cancels. */
export type MountAnswer =
  | { readonly kind: 'mounted'; readonly descriptor: { readonly digest: Digest; readonly size?: number } }
  | { readonly kind: 'upload'; readonly upload: Upload };

export interface Writer {
  /**
   * Stores a manifest's exact bytes and moves the tags, in one step.
   * Throws MANIFEST_INVALID (also where it says another size of a blob than the blob has), MANIFEST_TOO_LARGE, MANIFEST_BLOB_UNKNOWN (a blob it needs is not in the repository),
   * DIGEST_INVALID, TAG_IMMUTABLE, UNSUPPORTED, INSUFFICIENT_STORAGE.
   */
  putManifest(
    repository: RepositoryName,
    bytes: Uint8Array,
    options: PutManifestOptions,
    call: Call,
  ): Promise<PutManifestAnswer>;
  /** Stores a whole blob. Throws DIGEST_INVALID, SIZE_INVALID, UNSUPPORTED, INSUFFICIENT_STORAGE. */
  putBlob(repository: RepositoryName, target: BlobTarget, body: ByteSource, call: Call): Promise<Descriptor>;
  /** Begins an upload. Throws UNSUPPORTED, INSUFFICIENT_STORAGE. */
  startUpload(
    repository: RepositoryName,
    options: { readonly algorithm?: DigestAlgorithm },
    call: Call,
  ): Promise<Upload>;
  /** An upload begun earlier by the same principal in the same repository. Throws BLOB_UPLOAD_UNKNOWN. */
  openUpload(repository: RepositoryName, uploadId: string, call: Call): Promise<Upload>;
  /** Throws UNSUPPORTED, INSUFFICIENT_STORAGE. Never says that a blob exists where the caller may not read. */
  mountBlob(repository: RepositoryName, digest: Digest, options: MountOptions, call: Call): Promise<MountAnswer>;
}

/** A blob on its way in. One writer at a time; a second one gets BLOB_UPLOAD_INVALID. */
export interface Upload {
  readonly id: string;
  /** Bytes received so far. */
  readonly offset: number;
  /** Chunks but the last should be at least this long. */
  readonly chunkMinBytes?: number;
  /**
   * Adds bytes; `start`, when given, must equal `offset`. `size` is the length of `body` when known.
   * Throws RANGE_INVALID, SIZE_INVALID, BLOB_UPLOAD_UNKNOWN, INSUFFICIENT_STORAGE. What arrived before a failure may be kept: ask `offset`.
   */
  append(body: ByteSource, options: AppendOptions, call: Call): Promise<number>;
  /** Ends the upload: with `final` as its last bytes. Throws what `append` does, and DIGEST_INVALID (the upload is gone then). */
  commit(digest: Digest, final: FinalChunk | undefined, call: Call): Promise<Descriptor>;
  /** Drops what was received. Throws BLOB_UPLOAD_UNKNOWN. */
  cancel(call: Call): Promise<void>;
}
export type AppendOptions = { readonly start?: number; readonly size?: number };
export type FinalChunk = AppendOptions & {
  readonly body: ByteSource;
  /** The caller watches the time, so the body may be passed on without a look at each piece. */
  readonly isWatched?: true;
};

/** Deletes. Whether `getManifest` still finds a manifest by digest after `deleteTag`: yes. */
export interface Deleter {
  /** Throws NAME_UNKNOWN, MANIFEST_UNKNOWN, UNSUPPORTED, TAG_IMMUTABLE. */
  deleteTag(repository: RepositoryName, tag: TagName, call: Call): Promise<void>;
  /** Deletes the manifest and every tag that points at it. Throws as `deleteTag`. */
  deleteManifest(repository: RepositoryName, digest: Digest, call: Call): Promise<void>;
  /** Unlinks the blob from this repository. Throws NAME_UNKNOWN, BLOB_UNKNOWN, UNSUPPORTED. */
  deleteBlob(repository: RepositoryName, digest: Digest, call: Call): Promise<void>;
}

/** What a destination was found or is known to take. Undefined: not known yet. */
export type Capabilities = {
  /** Keeps referrers lists itself. */
  readonly referrers?: boolean;
  /** Takes an index whose children are not all there. */
  readonly sparseIndex?: boolean;
};

/** Abilities that not every registry has. A wrapper forwards or removes each by name. */
export type Extras = {
  /** All tags with their digests in few requests. */
  readonly tagDigests?: (
    repository: RepositoryName,
    options: PageOptions,
    call: Call,
  ) => Promise<Page<{ readonly tag: TagName; readonly digest: Digest }>>;
  /** Creates a repository where pushing does not. */
  readonly ensureRepository?: (repository: RepositoryName, call: Call) => Promise<void>;
  /** What is known of a repository's registry by now. */
  readonly capabilities?: (repository: RepositoryName) => Capabilities;
};

/** The contract that carries the product. Everything that holds images is one; everything else uses one. */
export type Registry = Reader & Lister & Writer & Deleter & { readonly extras: Extras };
