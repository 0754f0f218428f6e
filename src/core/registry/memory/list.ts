import { type Descriptor, type Digest, parseManifest, referrerDescriptor, referrersTag, type TagName } from '#core/oci';
import { pageOf, servedBy } from '../answer.ts';
import type { Extras, Lister, ReferrersOptions, ReferrersPage } from '../types.ts';
import { findManifest } from './manifest.ts';
import { type MemoryState, type Repository, repositoryOf } from './state.ts';

export function listMethods(state: MemoryState): Lister {
  return {
    async repositories(options) {
      return servedBy(state.name, pageOf([...state.repositories.keys()].sort(), options));
    },
    async tags(repository, options) {
      return servedBy(state.name, pageOf(sortedTags(repositoryOf(state, repository)), options));
    },
    async referrers(repository, digest, options) {
      const known = state.repositories.get(repository);
      const all = known === undefined ? [] : state.referrers ? referrersOf(known, digest) : fallback(known, digest);
      return servedBy(state.name, referrersPage(all, options, state.referrersPerPage));
    },
  };
}

export function listExtras(state: MemoryState): Extras {
  return {
    async tagDigests(repository, options) {
      const known = repositoryOf(state, repository);
      const { items, ...rest } = pageOf(sortedTags(known), options);
      return { ...rest, items: items.flatMap((tag) => entryOf(known, tag)) };
    },
    capabilities: () => ({ referrers: state.referrers, sparseIndex: state.sparseIndex }),
  };
}

function entryOf(repository: Repository, tag: TagName): { tag: TagName; digest: Digest }[] {
  const digest = repository.tags.get(tag);
  return digest === undefined ? [] : [{ tag, digest }];
}

function sortedTags(repository: Repository): readonly TagName[] {
  repository.sortedTags ??= [...repository.tags.keys()].sort();
  return repository.sortedTags;
}

function referrersOf(repository: Repository, subject: Digest): Descriptor[] {
  const found: Descriptor[] = [];
  for (const { descriptor, manifest } of repository.manifests.values()) {
    if (manifest.subject?.digest !== subject) continue;
    found.push(referrerDescriptor(descriptor.digest, descriptor.size, manifest));
  }
  return found.sort((left, right) => (left.digest < right.digest ? -1 : 1));
}

/** Without the referrers API the list is what clients keep under the fallback tag. */
function fallback(repository: Repository, subject: Digest): readonly Descriptor[] {
  const found = findManifest(repository, referrersTag(subject));
  return found ? parseManifest(found.bytes, found.descriptor.mediaType).manifests : [];
}

function referrersPage(
  all: readonly Descriptor[],
  { artifactTypes = [], after }: ReferrersOptions,
  limit: number,
): ReferrersPage {
  const wanted = all.filter(
    ({ digest, artifactType }) =>
      (artifactTypes.length === 0 || artifactTypes.includes(artifactType ?? '')) &&
      (after === undefined || digest > after),
  );
  const items = wanted.slice(0, limit);
  const last = items.at(-1);
  const filtered = artifactTypes.length > 0;
  return last === undefined || wanted.length <= limit ? { items, filtered } : { items, filtered, next: last.digest };
}
