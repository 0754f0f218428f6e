import type { Digest, RepositoryName, TagName } from '#core/oci';
import type { Companions } from '#core/registry';

export type ImageKey = {
  /** The destination registry's name. */
  readonly destination: string;
  readonly repository: RepositoryName;
  readonly tag: TagName;
};

/** What was copied to a tag, whole, and when it was last known to be there. */
export type ImageRecord = ImageKey & {
  /** `registry/repository:tag`. */
  readonly source: string;
  readonly digest: Digest;
  /** The platforms chosen, sorted; empty: all. */
  readonly platforms: string;
  /** All manifests that were copied: digest tags of any of them belong to this image. */
  readonly manifests: readonly Digest[];
  readonly companions: Companions;
  readonly verifiedAtMs: number;
};

/** Whether a repository of a source has the referrers API, and when that was found out. */
export type SourceFact = {
  readonly source: string;
  readonly repository: RepositoryName;
  readonly referrers: boolean;
  readonly learnedAtMs: number;
};

export type BlobHome = { readonly destination: string; readonly digest: Digest; readonly repository: RepositoryName };

/**
 * What runs remember. Losing all of it costs requests and nothing else: a record is believed only where it
 * says exactly what is wanted, and a run with `audit` looks for itself.
 */
export type MirrorState = {
  image(key: ImageKey): Promise<ImageRecord | undefined>;
  saveImages(records: readonly ImageRecord[]): Promise<void>;
  sourceFact(source: string, repository: RepositoryName): Promise<SourceFact | undefined>;
  saveSourceFact(fact: SourceFact): Promise<void>;
  /** A repository of the destination in which the blob was seen: a hint for mounting. */
  blobHome(destination: string, digest: Digest): Promise<RepositoryName | undefined>;
  saveBlobHomes(homes: readonly BlobHome[]): Promise<void>;
};

/** For tests, and for runs that shall leave no trace. */
export function memoryState(): MirrorState {
  const images = new Map<string, ImageRecord>();
  const facts = new Map<string, SourceFact>();
  const homes = new Map<string, RepositoryName>();
  const imageKey = ({ destination, repository, tag }: ImageKey) => `${destination} ${repository} ${tag}`;
  return {
    image: async (key) => images.get(imageKey(key)),
    async saveImages(records) {
      for (const record of records) images.set(imageKey(record), record);
    },
    sourceFact: async (source, repository) => facts.get(`${source} ${repository}`),
    async saveSourceFact(fact) {
      facts.set(`${fact.source} ${fact.repository}`, fact);
    },
    blobHome: async (destination, digest) => homes.get(`${destination} ${digest}`),
    async saveBlobHomes(found) {
      for (const { destination, digest, repository } of found) homes.set(`${destination} ${digest}`, repository);
    },
  };
}
