import type {
  CacheEntry,
  ConfigInForce,
  Deleted,
  GcReport,
  ImageDetail,
  ImageItem,
  MirrorReport,
  NamespaceDetail,
  NamespaceItem,
  ProgressEvent,
  RepositoryItem,
  ScrubReport,
  Status,
  TagItem,
  UpstreamItem,
  WarmReport,
} from './schema.ts';

export type ListOptions = { readonly after?: string; readonly limit: number };
export type Listed<T> = { readonly items: readonly T[]; readonly next?: string };
/** Where a long job tells how it goes, and how it is stopped. */
export type Running = { readonly onProgress: (event: ProgressEvent) => void; readonly signal: AbortSignal };

export type MirrorRequest = {
  /** None means all. */
  readonly names: readonly string[];
  /** Looks at the destinations too, instead of believing the records of earlier runs. */
  readonly audit: boolean;
};

/** What is kept here, read and changed by name. Throws AppError. */
export interface Contents {
  repositories(options: ListOptions): Promise<Listed<RepositoryItem>>;
  tags(repository: string, options: ListOptions): Promise<Listed<TagItem>>;
  images(repository: string, options: ListOptions): Promise<Listed<ImageItem>>;
  image(repository: string, reference: string): Promise<ImageDetail>;
  deleteImage(repository: string, reference: string): Promise<Deleted>;
}

/** The work of whoever keeps it. Throws AppError. */
export interface Upkeep {
  status(): Promise<Status>;
  config(): Promise<ConfigInForce>;
  /** `untagged` takes manifests without a tag too, where nothing kept needs them. */
  gc(options: { readonly apply: boolean; readonly untagged: boolean }): Promise<GcReport>;
  scrub(running: Running): Promise<ScrubReport>;
  /** Throws MIRROR_UNKNOWN. */
  mirrorApply(request: MirrorRequest, running: Running): Promise<MirrorReport>;
}

export type WarmRequest = {
  /** Names here with a tag or digest; without either, `latest`. */
  readonly images: readonly string[];
  /** None means all that the namespace serves. */
  readonly platforms: readonly string[];
};

/** Namespaces that read registries elsewhere. Throws AppError. */
export interface PullThrough {
  upstreams(): Promise<readonly UpstreamItem[]>;
  namespaces(): Promise<readonly NamespaceItem[]>;
  /** Throws NAME_UNKNOWN. */
  namespace(name: string): Promise<NamespaceDetail>;
  /** What is kept of an image and what the next pull would be; none where its namespace is no proxy. Asks no upstream. */
  cacheEntry(repository: string, reference: string): Promise<CacheEntry | undefined>;
  /** Fetches images before anybody asks for them. Waits where quotas say so. */
  warm(request: WarmRequest, running: Running): Promise<WarmReport>;
}

/**
 * What can be done to this registry's own state. The application does it where it holds the folder;
 * `apiClient` asks a server over its socket. Whoever calls cannot tell.
 */
export type Operations = Contents & Upkeep & PullThrough;
