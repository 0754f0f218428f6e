import {
  type Descriptor,
  type Digest,
  isRegistryError,
  type OciCode,
  RegistryError,
  type RepositoryName,
  type TagName,
} from '#core/oci';
import { mapLimited } from '#core/std';
import type { PutManifestAnswer } from '../types.ts';
import { ensureBlob } from './blob.ts';
import { delayMs, type RunContext } from './context.ts';
import { CopyError, copyError, isAbsent, isPassing } from './error.ts';
import { keepFallbackTag } from './fallback.ts';
import type { BlobWish } from './feed.ts';
import type { Graph, GraphNode } from './graph.ts';
import type { CopyTarget } from './types.ts';

/** One image on its way to one target. */
export type Push = {
  readonly run: RunContext;
  readonly graph: Graph;
  /** The repository of the source. */
  readonly from: RepositoryName;
  readonly target: CopyTarget;
  /** Pushed for this image; another image may have other children of the same index. */
  readonly done: Set<Digest>;
  /** Referrers that the destination did not take note of, by subject: they go under the fallback tag. */
  readonly unlisted: Map<Digest, Digest[]>;
};

/**
 * Pushes an image's manifests in the order that is safe everywhere: children, the image by digest, what hangs
 * on it, and the tag last, so that nobody sees a tag whose signature has not landed.
 */
export async function pushManifests(push: Push): Promise<void> {
  const { graph, target } = push;
  const { root, companions } = graph;
  await pushChildren(push, root);
  const inOne = companions.length === 0 && root.subject === undefined;
  if (!inOne || target.tags.length === 0) await pushNode(push, root, []);
  for (const { digest, tags } of companions) await pushTree(push, nodeOf(graph, digest), tags);
  await keepFallbackTag(push);
  if (target.tags.length > 0) await pushNode(push, root, target.tags);
}

/** A manifest after its children; a tag only after both. */
async function pushTree(push: Push, node: GraphNode, tags: readonly TagName[]): Promise<void> {
  if (push.done.has(node.digest) && tags.length === 0) return;
  await pushChildren(push, node);
  await pushNode(push, node, tags);
}

async function pushChildren(push: Push, node: GraphNode): Promise<void> {
  const { lookups } = push.run.limits;
  await mapLimited(node.children, lookups, (digest) => pushTree(push, nodeOf(push.graph, digest), []));
}

function nodeOf(graph: Graph, digest: Digest): GraphNode {
  const node = graph.nodes.get(digest);
  if (!node) throw new RangeError(`${digest} is not in the graph`);
  return node;
}

async function pushNode(push: Push, node: GraphNode, tags: readonly TagName[]): Promise<void> {
  const { target } = push;
  const place = {
    origin: 'destination',
    registry: target.destination.name,
    repository: target.repository,
    reference: tags[0] ?? node.digest,
  } as const;
  try {
    await putHealed(push, node, tags);
  } catch (thrown) {
    throw copyError(place, 'pushing the manifest', thrown);
  }
  push.done.add(node.digest);
  const { emit } = push.run;
  emit({ kind: 'manifest-done', destination: place.registry, repository: place.repository, digest: node.digest, tags });
}

/** A destination that misses content gets it once more: "the manifest is there" did not mean "its content is there". */
async function putHealed(push: Push, node: GraphNode, tags: readonly TagName[]): Promise<void> {
  try {
    await put(push, node, tags);
  } catch (thrown) {
    if (!isRegistryError(thrown, 'MANIFEST_BLOB_UNKNOWN')) throw refusal(node, thrown);
    await pushAgain(push, node);
    await put(push, node, tags).catch((second: unknown) => {
      throw refusal(node, second);
    });
  }
}

async function put(push: Push, node: GraphNode, tags: readonly TagName[]): Promise<void> {
  const { run, from, target } = push;
  const { bytes, mediaType } = await run.source.manifest(from, node.digest);
  const options = { mediaType, digest: node.digest, tags };
  const { registry } = target.destination;
  const request = () => registry.putManifest(target.repository, bytes, options, run.call);
  const answer = await run.pushSlots
    .run(() => patiently(run, request), run.call.signal)
    .catch((thrown: unknown) => sameAnyway(push, { node, tags, thrown }));
  noteSubject(push, node, answer);
}

async function patiently<T>(run: RunContext, request: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await request();
    } catch (thrown) {
      run.call.signal?.throwIfAborted();
      if (attempt >= run.limits.attempts || !isPassing(thrown)) throw thrown;
      await run.clock.sleep(delayMs(run, attempt, thrown), run.call.signal);
    }
  }
}

type Refused = { readonly node: GraphNode; readonly tags: readonly TagName[]; readonly thrown: unknown };

/** An immutable tag refuses even what it already stands for (ECR does): that is success. */
async function sameAnyway(push: Push, { node, tags, thrown }: Refused): Promise<undefined> {
  if (tags.length === 0 || !isRegistryError(thrown, ...REFUSED_TAG)) throw thrown;
  if (tags.length > 1) {
    for (const tag of tags) await put(push, node, [tag]);
    return;
  }
  const [tag] = tags;
  if (tag === undefined || (await digestOfTag(push, tag)) !== node.digest) throw thrown;
}
const REFUSED_TAG: readonly OciCode[] = ['TAG_IMMUTABLE', 'TAG_INVALID', 'DENIED', 'UNSUPPORTED'];

async function digestOfTag({ run, target }: Push, tag: TagName): Promise<Digest | undefined> {
  try {
    const { value } = await target.destination.registry.resolveManifest(target.repository, tag, run.call);
    return value.digest;
  } catch (thrown) {
    if (isAbsent(thrown)) return undefined;
    throw thrown;
  }
}

function noteSubject({ unlisted }: Push, { subject, digest }: GraphNode, answer: PutManifestAnswer | undefined): void {
  if (subject === undefined || !answer || answer.subject !== undefined) return;
  const known = unlisted.get(subject) ?? [];
  if (!known.includes(digest)) unlisted.set(subject, [...known, digest]);
}

async function pushAgain(push: Push, node: GraphNode): Promise<void> {
  const home = { endpoint: push.target.destination, repository: push.target.repository };
  for (const { digest } of node.blobs) push.run.presence.drop(home, digest);
  await ensureNodeBlobs(push, node);
  for (const digest of node.children) {
    const child = nodeOf(push.graph, digest);
    await pushAgain(push, child);
    await put(push, child, []);
  }
}

async function ensureNodeBlobs({ run, from, graph, target }: Push, node: GraphNode): Promise<void> {
  const home = { endpoint: target.destination, repository: target.repository };
  const image = graph.root.digest;
  const wish = (blob: Descriptor): BlobWish => ({ blob, from, image, homes: [home] });
  const outcomes = await mapLimited(node.blobs, run.limits.blobs, (blob) => ensureBlob(run, wish(blob)));
  const failed = outcomes.flat().find(({ kind }) => kind === 'failed');
  if (failed?.kind === 'failed') throw failed.error;
}

/** What an index with missing children is refused with differs; what to do about it does not. */
function refusal(node: GraphNode, thrown: unknown): unknown {
  if (!node.sparse || thrown instanceof CopyError) return thrown;
  if (!isRegistryError(thrown, 'MANIFEST_BLOB_UNKNOWN', 'MANIFEST_INVALID', 'MANIFEST_UNKNOWN', 'UNSUPPORTED'))
    return thrown;
  return sparseRefused([thrown.message, thrown.why].filter(Boolean).join(': '), thrown);
}

/** The index is never rewritten: its digest, and every signature of it, would be lost. */
export function sparseRefused(why: string, cause?: unknown): RegistryError {
  return new RegistryError('UNSUPPORTED', 'an index with platforms left out is not taken here', {
    why,
    hint: 'copy all platforms (leave out "platforms"), copy one platform by its digest, or let the destination accept sparse indexes',
    cause,
  });
}
