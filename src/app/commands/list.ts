import { isRegistryError, parseDigestTag } from '#core/oci';
import type { Call, Registry } from '#core/registry';
import type { ImageItem, Listed, ListOptions, RepositoryItem, TagItem } from '#surface/server/api';
import { describeImage, type Shelf } from './image.ts';

/** A page of the repositories of a registry. */
export async function listRepositories(
  registry: Registry,
  options: ListOptions,
  call: Call,
): Promise<Listed<RepositoryItem>> {
  const { value } = await registry.repositories(options, call);
  return withNext(
    value.items.map((name) => ({ name })),
    value.next,
  );
}

/** A page of tags with what they point at: by the bulk listing where there is one, else by one question a tag. */
export async function listTags({ registry, repository, call }: Shelf, options: ListOptions): Promise<Listed<TagItem>> {
  const { tagDigests } = registry.extras;
  if (tagDigests) {
    const page = await tagDigests(repository, options, call);
    return withNext(
      page.items.map(({ tag, digest }) => ({ repository, name: tag, digest })),
      page.next,
    );
  }
  const { value } = await registry.tags(repository, options, call);
  const items: TagItem[] = [];
  for (const tag of value.items) {
    try {
      const { value: descriptor } = await registry.resolveManifest(repository, tag, call);
      items.push({ repository, name: tag, digest: descriptor.digest });
    } catch (thrown) {
      // Deleted since it was listed.
      if (!isRegistryError(thrown, 'MANIFEST_UNKNOWN')) throw thrown;
    }
  }
  return withNext(items, value.next);
}

/** A page of images by tag; signatures and fallback tags belong to their image and are not listed by themselves. */
export async function listImages(shelf: Shelf, options: ListOptions): Promise<Listed<ImageItem>> {
  const { value } = await shelf.registry.tags(shelf.repository, options, shelf.call);
  const items: ImageItem[] = [];
  for (const tag of value.items) {
    if (parseDigestTag(tag)) continue;
    try {
      items.push(await describeImage(shelf, tag));
    } catch (thrown) {
      if (!isRegistryError(thrown, 'MANIFEST_UNKNOWN')) throw thrown;
    }
  }
  return withNext(items, value.next);
}

/** All pages of a list, as long as whoever reads goes on. */
export async function* allPages<T>(
  list: (options: ListOptions) => Promise<Listed<T>>,
  limit = PAGE_NAMES,
): AsyncGenerator<T> {
  let after: string | undefined;
  do {
    const page = await list({ limit, ...(after === undefined ? {} : { after }) });
    yield* page.items;
    after = page.next;
  } while (after !== undefined);
}

/** Names asked for at once: few round trips, little memory. */
const PAGE_NAMES = 500;

function withNext<T>(items: T[], next: string | undefined): Listed<T> {
  return next === undefined ? { items } : { items, next };
}
