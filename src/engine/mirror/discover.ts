import type { Digest, RepositoryName, TagName } from '#core/oci';
import type { Companions, SourceView } from '#core/registry';
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
    const found = await Promise.all(tags.flat().map(async (tag) => [tag, await resolve(tag)] as const));
    return { referrers: (listed ?? []).map(({ digest }) => digest).sort(), tags: Object.fromEntries(found) };
  }
}
