import {
  type Descriptor,
  type Digest,
  digestOf,
  MediaType,
  parseManifest,
  referrerDescriptor,
  referrersIndex,
  referrersTag,
} from '#core/oci';
import { at, isAbsent } from './error.ts';
import type { Push } from './manifest.ts';

/**
 * Lists referrers under the fallback tag at a destination that does not list them itself: what stands there
 * stays, ours is added, one push for each subject. Spec, "Pushing Manifests with Subject".
 */
export async function keepFallbackTag(push: Push): Promise<void> {
  const { run, target, unlisted } = push;
  for (const [subject, referrers] of unlisted) {
    // Two images of a run may hang on the same subject: their lists are merged one after the other.
    const key = `fallback ${target.destination.name} ${target.repository} ${referrersTag(subject)}`;
    await run.locks.run(key, () => mergeList(push, subject, referrers));
  }
  unlisted.clear();
}

async function mergeList(push: Push, subject: Digest, referrers: readonly Digest[]): Promise<void> {
  const { run, target } = push;
  const { registry, name } = target.destination;
  const tag = referrersTag(subject);
  const place = { origin: 'destination', registry: name, repository: target.repository, reference: tag } as const;
  await at(place, 'listing referrers under their tag', async () => {
    const there = await listAt(push, subject);
    const listed = new Set(there.map(({ digest }) => digest));
    const missing = referrers.filter((digest) => !listed.has(digest));
    if (missing.length === 0) return;
    const added = await Promise.all(missing.map((digest) => describe(push, digest)));
    const bytes = new TextEncoder().encode(referrersIndex([...there, ...added]));
    const options = { mediaType: MediaType.ociIndex, digest: digestOf(bytes), tags: [tag] };
    await registry.putManifest(target.repository, bytes, options, run.call);
    run.emit({
      kind: 'manifest-done',
      destination: name,
      repository: target.repository,
      digest: options.digest,
      tags: options.tags,
    });
  });
}

async function listAt({ run, target }: Push, subject: Digest): Promise<readonly Descriptor[]> {
  const { registry } = target.destination;
  try {
    const { value } = await registry.getManifest(target.repository, referrersTag(subject), run.call);
    return parseManifest(value.bytes, value.descriptor.mediaType).manifests;
  } catch (thrown) {
    if (isAbsent(thrown)) return [];
    throw thrown;
  }
}

async function describe({ run, from }: Push, digest: Digest): Promise<Descriptor> {
  const { bytes, manifest } = await run.source.manifest(from, digest);
  return referrerDescriptor(digest, bytes.byteLength, manifest);
}
