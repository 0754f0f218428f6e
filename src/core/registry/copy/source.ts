import {
  algorithmOf,
  Bounds,
  cosignTags,
  type Descriptor,
  type Digest,
  digestOf,
  isDigest,
  isRegistryError,
  type Manifest,
  type ManifestReference,
  parseDigestTag,
  parseManifest,
  RegistryError,
  type RepositoryName,
  referrersTag,
  type TagName,
} from '#core/oci';
import { createLimiter, createSingleFlight, createSizedCache } from '#core/std';
import { digestMismatch } from '../answer.ts';
import type { Call } from '../types.ts';
import { at, type CopyPlace, causeOf, isAbsent, isPassing } from './error.ts';
import { createReferrersProbe } from './probe.ts';
import type { CopyEndpoint, CopyKnowledge, CopyLimits } from './types.ts';

/** A manifest of the source, its digest checked against its bytes. */
export type SourceManifest = {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
};

export type TagListing = {
  readonly names: readonly TagName[];
  /** False when there are more tags than the pages that were read. */
  readonly complete: boolean;
  /** Whether the source knows the repository (by a tag). */
  readonly known: boolean;
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
  /** Drops what is held for a repository. */
  forget(repository: RepositoryName): void;
};

/** Manifests held for a second use (pushing, other tags): read again when they do not fit. */
const MANIFEST_CACHE_BYTES = 32 * 1024 * 1024;
/** Lists of referrers held because several tags stand for one digest; sized by a guess of what an entry takes. */
const LISTS_CACHE_BYTES = 8 * 1024 * 1024;
const LIST_ENTRY_BYTES = 512;
/** Pages of one referrers list: 1,000 descriptors a page are 100,000 signatures of one image. */
const REFERRERS_PAGES = 100;

export type SourceViewOptions = {
  readonly source: CopyEndpoint;
  readonly call: Call;
  readonly known: CopyKnowledge;
  readonly limits: CopyLimits;
};

export function createSourceView({ source, call, known, limits }: SourceViewOptions): SourceView {
  const { registry } = source;
  const manifests = createSizedCache<SourceManifest>(MANIFEST_CACHE_BYTES);
  const reads = createSingleFlight<SourceManifest>();
  const lists = createSizedCache<{ readonly listed: readonly Descriptor[] | undefined }>(LISTS_CACHE_BYTES);
  const asking = createSingleFlight<readonly Descriptor[] | undefined>();
  const listings = new Map<RepositoryName, Promise<ListedTags>>();
  const limiter = createLimiter(limits.lookups);
  const probe = createReferrersProbe(source, known);

  const ask = <T>(place: Omit<CopyPlace, 'origin' | 'registry'>, doing: string, work: () => Promise<T>) =>
    at({ origin: 'source', registry: source.name, ...place }, doing, () => limiter.run(work, call.signal));

  const read = async (repository: RepositoryName, reference: ManifestReference) => {
    const { value } = await registry.getManifest(repository, reference, call);
    const found = checkedManifest(value.bytes, value.descriptor, reference);
    manifests.set(`${repository}@${found.digest}`, found, value.bytes.byteLength);
    return found;
  };
  const listing = (repository: RepositoryName) => {
    const known = listings.get(repository);
    if (known !== undefined) return known;
    const asked = ask({ repository, reference: '*' }, 'listing tags', () =>
      listTags(source, repository, { call, pages: limits.tagPages }),
    );
    listings.set(repository, asked);
    asked.catch((thrown) => isPassing(thrown) && listings.delete(repository));
    return asked;
  };
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
    async manifest(repository, reference) {
      const held = manifests.get(`${repository}@${reference}`);
      if (held) return held;
      return await reads.run(`${repository}@${reference}`, () =>
        ask({ repository, reference }, 'reading the manifest', () => read(repository, reference)),
      );
    },
    resolve: (repository, tag) =>
      ask({ repository, reference: tag }, 'resolving the tag', async () => {
        return (await registry.resolveManifest(repository, tag, call)).value;
      }),
    tags: listing,
    async referrers(repository, digest) {
      const key = `${repository}@${digest}`;
      const held = lists.get(key);
      if (held) return held.listed;
      const listed = await asking.run(key, () =>
        probe.run(repository, () =>
          ask({ repository, reference: digest }, 'listing referrers', () =>
            listReferrers(source, repository, digest, call),
          ),
        ),
      );
      lists.set(key, { listed }, LIST_ENTRY_BYTES * (1 + (listed?.length ?? 0)));
      return listed;
    },
    async digestTags(repository, digest) {
      const { digestTags, complete } = await listing(repository).catch(notListed);
      const candidates = [...cosignTags(digest), referrersTag(digest)];
      const listed = candidates.filter((tag) => digestTags.has(tag));
      if (complete) return listed;
      const rest = candidates.filter((tag) => !digestTags.has(tag));
      const found = await Promise.all(
        rest.map((tag) => ask({ repository, reference: tag }, 'looking for the tag', () => exists(repository, tag))),
      );
      return [...listed, ...rest.filter((_, index) => found[index])];
    },
    forget: (repository) => {
      listings.delete(repository);
    },
  };
}

function checkedManifest(bytes: Uint8Array, descriptor: Descriptor, reference: ManifestReference): SourceManifest {
  const expected = isDigest(reference) ? reference : descriptor.digest;
  const digest = digestOf(bytes, algorithmOf(expected));
  if (digest !== expected) throw digestMismatch(expected, digest);
  const manifest = parseManifest(bytes, descriptor.mediaType);
  return { digest, mediaType: manifest.mediaType, bytes, manifest };
}

type ListedTags = TagListing & { readonly digestTags: ReadonlySet<TagName> };

async function listTags(
  source: CopyEndpoint,
  repository: RepositoryName,
  { call, pages }: { readonly call: Call; readonly pages: number },
): Promise<ListedTags> {
  const names: TagName[] = [];
  let after: string | undefined;
  for (let page = 0; page < pages; page++) {
    const found = await tagPage(source, repository, { call, after });
    if (!found) return listed([], { complete: true, known: false });
    names.push(...found.items);
    if (found.next === undefined) return listed(names, { complete: true, known: true });
    after = found.next;
  }
  return listed(names, { complete: false, known: true });
}

async function tagPage(
  source: CopyEndpoint,
  repository: RepositoryName,
  { call, after }: { readonly call: Call; readonly after: string | undefined },
) {
  const options = { limit: Bounds.pageNames, ...(after === undefined ? {} : { after }) };
  try {
    return (await source.registry.tags(repository, options, call)).value;
  } catch (thrown) {
    // Some registries answer so for a repository that holds digests alone.
    if (isRegistryError(thrown, 'NAME_UNKNOWN') && after === undefined) return undefined;
    throw thrown;
  }
}

/** Whoever may not list may still ask for each tag by its name. */
function notListed(thrown: unknown): ListedTags {
  const cause = causeOf(thrown);
  if (isRegistryError(cause, 'UNSUPPORTED', 'DENIED', 'UNAUTHORIZED', 'NOT_FOUND'))
    return listed([], { complete: false, known: true });
  throw thrown;
}

function listed(names: readonly TagName[], listing: Omit<TagListing, 'names'>): ListedTags {
  return { names, ...listing, digestTags: new Set(names.filter((tag) => parseDigestTag(tag) !== undefined)) };
}

async function listReferrers(
  source: CopyEndpoint,
  repository: RepositoryName,
  digest: Digest,
  call: Call,
): Promise<readonly Descriptor[]> {
  const found: Descriptor[] = [];
  let after: string | undefined;
  for (let page = 0; page < REFERRERS_PAGES; page++) {
    const options = after === undefined ? {} : { after };
    const { value } = await source.registry.referrers(repository, digest, options, call);
    found.push(...value.items);
    if (value.next === undefined) return found;
    after = value.next;
  }
  throw new RegistryError('UPSTREAM_INVALID', `the list of referrers goes on after ${REFERRERS_PAGES} pages`);
}
