import {
  algorithmOf,
  Bounds,
  type Digest,
  digestOf,
  isDigest,
  isRegistryError,
  type ManifestReference,
  manifestTooLarge,
  parseManifest,
  RegistryError,
  type TagName,
} from '#core/oci';
import type { ManifestAnswer } from '#core/registry';
import { messageOf } from '#core/std';
import { type Asked, askUpstream, sharedCall } from './ask.ts';
import type { Place, ProxyContext } from './context.ts';
import type { ManifestQuestion } from './copy.ts';

export type Fetched = Asked<ManifestAnswer>;

/** Gets a manifest of the upstream: one GET, which counts as a pull there. Its bytes are checked, not yet kept. */
export function fetchManifest(
  context: ProxyContext,
  { place, call }: ManifestQuestion,
  reference: ManifestReference,
): Promise<Fetched> {
  return askUpstream(context.upstreams, place.upstream, async (reader, name) => {
    const answer = await reader.getManifest(name, reference, sharedCall(call));
    const { bytes } = answer.value;
    context.state.count(context.namespace, { upstreamPulls: 1, upstreamBytes: bytes.byteLength });
    return { ...answer, value: verified(answer.value, reference) };
  });
}

/** What is kept is what was asked for: whoever lies about it is no upstream for this answer. Throws UPSTREAM_INVALID. */
function verified({ descriptor, bytes }: ManifestAnswer, reference: ManifestReference): ManifestAnswer {
  if (bytes.byteLength > Bounds.manifestBytes) throw manifestTooLarge(bytes.byteLength);
  const expected: Digest = isDigest(reference) ? reference : descriptor.digest;
  const actual = digestOf(bytes, algorithmOf(expected));
  if (actual !== expected) throw wrong(`the manifest has digest ${actual}, not ${expected}`);
  try {
    const { mediaType } = parseManifest(bytes, descriptor.mediaType);
    return { descriptor: { mediaType, digest: expected, size: bytes.byteLength }, bytes };
  } catch (thrown) {
    throw wrong(messageOf(thrown));
  }
}

function wrong(why: string): RegistryError {
  return new RegistryError('UPSTREAM_INVALID', 'the upstream sent a manifest that is none', {
    origin: 'upstream',
    why,
  });
}

/**
 * Keeps a manifest and moves tags to it. A full disk does not stop a pull: the bytes are verified and at hand.
 * Answers what the client should be warned of.
 */
export async function keepManifest(
  context: ProxyContext,
  { local }: Place,
  { descriptor, bytes, tags }: ManifestAnswer & { readonly tags: readonly TagName[] },
): Promise<readonly string[]> {
  const { mediaType, digest } = descriptor;
  try {
    await context.store.cache.keepManifest(local, bytes, { mediaType, digest, tags });
  } catch (thrown) {
    if (!isRegistryError(thrown, 'INSUFFICIENT_STORAGE')) throw thrown;
    context.log.error('a manifest was served and not kept', { repository: local, digest, why: messageOf(thrown) });
    return [`${local}@${digest} was not kept: ${messageOf(thrown)}`];
  }
  context.arrived.tell(bytes.byteLength);
  return [];
}

/** Moves a tag to what is here; false: it is not. A full disk stops no pull: what is known of the tag leads there too. */
export async function keepTag(
  { store, log }: ProxyContext,
  { local }: Place,
  { tag, digest }: TagMove,
): Promise<boolean> {
  try {
    return await store.cache.keepTag(local, tag, digest);
  } catch (thrown) {
    if (!isRegistryError(thrown, 'INSUFFICIENT_STORAGE')) throw thrown;
    log.error('a tag was served and not kept', { repository: local, tag, digest, why: messageOf(thrown) });
    return true;
  }
}
type TagMove = { readonly tag: TagName; readonly digest: Digest };
