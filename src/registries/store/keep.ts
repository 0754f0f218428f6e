import { type Descriptor, type Digest, MediaType, type RepositoryName, type TagName } from '#core/oci';
import { type CacheKeeping, isWithin } from '#core/registry';
import { linkBlobs } from './catalog/blob.ts';
import { keepTag } from './catalog/keep.ts';
import { readHolders } from './catalog/read.ts';
import { readStoredSize } from './catalog/space-read.ts';
import type { StoreContext } from './context.ts';
import { evict } from './evict.ts';
import { storeManifest } from './manifest.ts';
import { partStore } from './parts.ts';
import { cacheUsage } from './space.ts';
import { storing } from './storage-error.ts';
import { createTurns } from './turn.ts';
import type { Uses } from './use.ts';

/** Who sets the tags of a cache, in their history. */
const FETCHER = 'system:fetcher';

/** What only the fetcher of a cache does. */
export function cacheMethods(context: StoreContext, uses: Uses): CacheKeeping {
  const evictions = createTurns();
  return {
    parts: partStore(context),
    keepManifest: (repository, bytes, options) =>
      storing(async () => {
        const kept = { bytes, options, principal: FETCHER, isKept: true };
        return (await storeManifest(context, repository, kept)).descriptor;
      }),
    keepTag: (repository, tag, digest) => storing(() => moveTag(context, repository, { tag, digest })),
    findBlob: (digest, namespaces) => find(context, digest, namespaces),
    linkBlob: (repository, digest, namespaces) => storing(() => link(context, repository, { digest, namespaces })),
    touch: uses.touch,
    usage: (namespace) => cacheUsage(context, namespace),
    // Two at once would each make the room that one of them needs.
    evict: (namespace, eviction) =>
      storing(() =>
        evictions.run(namespace, async () => {
          await uses.flush();
          return await evict(context, namespace, eviction);
        }),
      ),
  };
}

type TagMove = { readonly tag: TagName; readonly digest: Digest };

async function moveTag(context: StoreContext, repository: RepositoryName, { tag, digest }: TagMove): Promise<boolean> {
  const args = { repository, tag, digest, nowMs: context.clock.now(), principal: FETCHER };
  return await context.cache.change(
    repository,
    () => context.database.write(keepTag, args),
    () => [tag],
  );
}

/** A blob whose file is as it should be, where one of the namespaces holds it. */
async function find(
  { database, fs, layout, limits }: StoreContext,
  digest: Digest,
  namespaces?: readonly RepositoryName[],
): Promise<Descriptor | undefined> {
  const size = await readStoredSize(database, digest);
  if (size === undefined) return undefined;
  if (namespaces) {
    // Of a layer in more repositories than this it may be missed, and is downloaded once more.
    const holders = await readHolders(database, digest, limits.mountCandidates);
    if (!holders.some((holder) => isWithin(holder, namespaces))) return undefined;
  }
  const facts = await fs.stat(layout.blob(digest));
  return facts?.sizeBytes === size ? { mediaType: MediaType.octets, digest, size } : undefined;
}

type Link = { readonly digest: Digest; readonly namespaces: readonly RepositoryName[] | undefined };

async function link(
  context: StoreContext,
  repository: RepositoryName,
  { digest, namespaces }: Link,
): Promise<Descriptor | undefined> {
  return await context.blobTurns.run(digest, async () => {
    const blob = await find(context, digest, namespaces);
    if (!blob) return undefined;
    const args = { repositories: [repository], digest, sizeBytes: blob.size, nowMs: context.clock.now() };
    const isLinked = await context.database.write(linkBlobs, { ...args, fileInPlace: false });
    return isLinked ? blob : undefined;
  });
}
