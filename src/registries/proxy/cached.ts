import { isDigest, isRegistryError, type ManifestReference, type RepositoryName } from '#core/oci';
import { type Call, forwardExtras, manifestUnknown } from '#core/registry';
import { createBlobs } from './blob.ts';
import { createContext, type ProxyContext } from './context.ts';
import { explain } from './explain.ts';
import { createLists } from './list.ts';
import { createManifests } from './manifest.ts';
import type { CachedOptions, ProxyRegistry } from './proxy.ts';
import { createReferrers } from './referrer.ts';
import { createSpace } from './space.ts';
import { createWarm } from './warm.ts';
import { refusedWrites } from './write.ts';

/** A namespace that reads an upstream and keeps what it read. Nothing is asked until somebody reads. Throws PATTERN_INVALID. */
export function cached(options: CachedOptions): ProxyRegistry {
  const context = createContext(options);
  const { namespace, store, state } = options;
  const manifests = createManifests(context);
  const blobs = createBlobs(context);
  const { resolveBlob, getBlob } = blobs;
  const referrers = createReferrers(context);
  return {
    ...manifests,
    resolveBlob,
    getBlob,
    ...createLists(context),
    referrers,
    ...refusedWrites(context),
    // What is here is not all: what others list in bulk would be wrong.
    extras: forwardExtras(store, { tagDigests: 'remove', ensureRepository: 'remove', capabilities: 'remove' }),
    namespace,
    canonicalName: (repository) => context.findPlace(repository).local,
    explain: (repository, reference, call) => explain(context, repository, reference, call),
    counters: () => state.counters(namespace),
    usage: () => store.cache.usage(namespace),
    warm: createWarm(context, { ...manifests, referrers }, blobs),
    forget: (repository, reference, call) => forget(context, repository, reference, call),
    ...createSpace(context),
    close: () => context.background.settle(),
  };
}

async function forget(
  { store, state, findPlace }: ProxyContext,
  repository: RepositoryName,
  reference: ManifestReference,
  call: Call,
): Promise<void> {
  const { local } = findPlace(repository);
  const wasKnown = (await state.find(local, reference)) !== undefined;
  state.forget(local, reference);
  try {
    if (isDigest(reference)) await store.deleteManifest(local, reference, call);
    else await store.deleteTag(local, reference, call);
  } catch (thrown) {
    if (!isRegistryError(thrown, 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN')) throw thrown;
    if (!wasKnown) throw manifestUnknown(local, reference);
  }
  // Whoever forgets something does not want to see it again after a crash.
  await state.flush();
}
