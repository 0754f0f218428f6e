import {
  algorithmOf,
  cosignTags,
  type Descriptor,
  type Digest,
  digestOf,
  isDigest,
  type Manifest,
  type ManifestReference,
  parseManifest,
  type RepositoryName,
  referrersTag,
  type TagName,
} from '#core/oci';
import { createLimiter, createSingleFlight, createSizedCache } from '#core/std';
import { digestMismatch } from '../answer.ts';
import type { Call } from '../types.ts';
import { at, type CopyPlace, isAbsent } from './error.ts';
import { createReferrerLists } from './referrer.ts';
import { createTagLists, type TagListing, unlisted } from './tag-list.ts';
import type { CopyEndpoint, CopyKnowledge, CopyLimits } from './types.ts';

/** A manifest of the source, its digest checked against its bytes. */
export type SourceManifest = {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
};

/** The source as a run sees it: each question is asked once. Everything thrown is a CopyError of origin `source`. */
export type SourceView = {
  readonly endpoint: CopyEndpoint;
  /** By digest from memory when it was read before; by tag always anew. Throws as `getManifest`. */
  manifest(repository: RepositoryName, reference: ManifestReference): Promise<SourceManifest>;
  /** What a tag stands for, without its content. Throws as `resolveManifest`. */
  resolve(repository: RepositoryName, tag: TagName): Promise<Descriptor>;
  /** All tags, or those of the first pages; a repository that does not exist has none. */
  tags(repository: RepositoryName): Promise<TagListing>;
  /** Manifests that the referrers API lists for a digest; undefined where there is no such API. */
  referrers(repository: RepositoryName, digest: Digest): Promise<readonly Descriptor[] | undefined>;
  /** Which of the tags made of a digest exist: cosign's and the referrers fallback. */
  digestTags(repository: RepositoryName, digest: Digest): Promise<readonly TagName[]>;
  /** Drops the list of a repository's tags. */
  forget(repository: RepositoryName): void;
};

/** A question to the source: limited in number, and what it throws says where. */
export type AskSource = <T>(
  place: Omit<CopyPlace, 'origin' | 'registry'>,
  doing: string,
  work: () => Promise<T>,
) => Promise<T>;

/** Manifests held for a second use (pushing, other tags): read again when they do not fit. */
const MANIFEST_CACHE_BYTES = 32 * 1024 * 1024;
/** What a parsed manifest takes beside its bytes. */
const PARSED_FACTOR = 4;

export type SourceViewOptions = {
  readonly source: CopyEndpoint;
  readonly call: Call;
  readonly known: CopyKnowledge;
  readonly limits: CopyLimits;
};

export function createSourceView({ source, call, known, limits }: SourceViewOptions): SourceView {
  const { registry } = source;
  const limiter = createLimiter(limits.lookups);
  const ask: AskSource = (place, doing, work) =>
    at({ origin: 'source', registry: source.name, ...place }, doing, () => limiter.run(work, call.signal));
  const tags = createTagLists({ source, call, pages: limits.tagPages, ask });
  const referrers = createReferrerLists({ source, call, known, ask });
  const exists = async (repository: RepositoryName, tag: TagName) => {
    try {
      await registry.resolveManifest(repository, tag, call);
      return true;
    } catch (thrown) {
      if (isAbsent(thrown)) return false;
      throw thrown;
    }
  };
  return {
    endpoint: source,
    manifest: createManifestReader(source, ask, call),
    resolve: (repository, tag) =>
      ask({ repository, reference: tag }, 'resolving the tag', async () => {
        return (await registry.resolveManifest(repository, tag, call)).value;
      }),
    tags: tags.of,
    referrers: referrers.of,
    async digestTags(repository, digest) {
      const { digestTags, complete } = await tags.of(repository).catch(unlisted);
      const candidates = [...cosignTags(digest), referrersTag(digest)];
      const listed = candidates.filter((tag) => digestTags.has(tag));
      if (complete) return listed;
      const rest = candidates.filter((tag) => !digestTags.has(tag));
      const found = await Promise.all(
        rest.map((tag) => ask({ repository, reference: tag }, 'looking for the tag', () => exists(repository, tag))),
      );
      return [...listed, ...rest.filter((_, index) => found[index])];
    },
    forget: tags.forget,
  };
}

function createManifestReader({ registry }: CopyEndpoint, ask: AskSource, call: Call): SourceView['manifest'] {
  const held = createSizedCache<SourceManifest>(MANIFEST_CACHE_BYTES);
  const reads = createSingleFlight<SourceManifest>();
  const read = async (repository: RepositoryName, reference: ManifestReference) => {
    const { value } = await registry.getManifest(repository, reference, call);
    const found = checkedManifest(value.bytes, value.descriptor, reference);
    held.set(`${repository}@${found.digest}`, found, found.bytes.byteLength * PARSED_FACTOR);
    return found;
  };
  return async (repository, reference) => {
    const key = `${repository}@${reference}`;
    const doing = 'reading the manifest';
    return (
      held.get(key) ??
      (await reads.run(key, () => ask({ repository, reference }, doing, () => read(repository, reference))))
    );
  };
}

function checkedManifest(bytes: Uint8Array, descriptor: Descriptor, reference: ManifestReference): SourceManifest {
  const expected = isDigest(reference) ? reference : descriptor.digest;
  const digest = digestOf(bytes, algorithmOf(expected));
  if (digest !== expected) throw digestMismatch(expected, digest);
  const manifest = parseManifest(bytes, descriptor.mediaType);
  return { digest, mediaType: manifest.mediaType, bytes, manifest };
}
