import { type Digest, isRegistryError, type RepositoryName, type TagName } from '#core/oci';
import { type Companions, CopyError, type SourceView } from '#core/registry';
import type { Place } from './plan.ts';
import { sourceName } from './plan.ts';
import type { SourceImage } from './types.ts';

/** Looks at one repository of the source, asking each question once. */
export type Discovery = {
  /** A tag as it stands now, and what hangs on it where a record shall be compared. Throws CopyError. */
  image(tag: TagName, places: readonly Place[]): Promise<SourceImage>;
};

export function createDiscovery(view: SourceView, repository: RepositoryName): Discovery {
  const source = view.endpoint.name;
  const digests = new Map<TagName, Promise<Digest>>();
  const resolve = (tag: TagName) => {
    const asked = digests.get(tag) ?? view.resolve(repository, tag).then(({ digest }) => digest);
    digests.set(tag, asked);
    return asked;
  };
  return {
    async image(tag, places) {
      const name = sourceName(source, { repository, tag });
      const recorded = places.flatMap(({ record }) => (record?.source === name ? [record] : []));
      // What was never copied will be: reading it at once saves the HEAD. Else a HEAD is no pull at Docker Hub.
      if (recorded.length === 0) return { repository, tag, digest: (await view.manifest(repository, tag)).digest };
      const { digest } = await view.resolve(repository, tag);
      const same = recorded.filter((record) => record.digest === digest);
      if (same.length === 0) return { repository, tag, digest };
      const manifests = new Set(same.flatMap((record) => record.manifests));
      return { repository, tag, digest, companions: await companions(digest, manifests) };
    },
  };

  async function companions(root: Digest, manifests: ReadonlySet<Digest>): Promise<Companions> {
    const [listed, tags] = await Promise.all([
      view.referrers(repository, root),
      Promise.all([...manifests].map((digest) => view.digestTags(repository, digest))),
    ]);
    const found = await Promise.all(tags.flat().map(async (tag) => ({ tag, digest: await ifThere(resolve(tag)) })));
    return {
      referrers: (listed ?? []).map((referrer) => referrer.digest).sort(),
      tags: Object.fromEntries(found.flatMap((each) => (each.digest ? [[each.tag, each.digest] as const] : []))),
    };
  }
}

/** A list may name what is gone or has not come yet: the copy takes it for absent, and so does the comparison. */
async function ifThere(resolving: Promise<Digest>): Promise<Digest | undefined> {
  try {
    return await resolving;
  } catch (thrown) {
    const cause = thrown instanceof CopyError ? thrown.cause : thrown;
    if (isRegistryError(cause, 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN', 'NOT_FOUND')) return undefined;
    throw thrown;
  }
}
