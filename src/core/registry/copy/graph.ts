import {
  Bounds,
  type Descriptor,
  type Digest,
  type ManifestReference,
  type Platform,
  parseDigestTag,
  RegistryError,
  type RepositoryName,
  requiredBlobs,
  type TagName,
} from '#core/oci';
import { mapLimited } from '#core/std';
import { at, causeOf, isAbsent } from './error.ts';
import { chosenChildren } from './platform.ts';
import type { SourceManifest, SourceView } from './source.ts';
import type { Companions } from './types.ts';

/** A manifest to be copied. Its bytes stay with the source view, so that a graph of thousands is small. */
export type GraphNode = {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly blobs: readonly Descriptor[];
  readonly children: readonly Digest[];
  readonly subject?: Digest;
  /** The index names children that are left out. */
  readonly sparse: boolean;
};

/** A signature, an SBOM: a root of its own that hangs on a manifest of the image. */
export type Companion = { readonly digest: Digest; readonly tags: readonly TagName[] };

/** An image with its children, as far as it is known before anybody asked what hangs on it. */
export type ImageGraph = {
  readonly root: GraphNode;
  readonly nodes: ReadonlyMap<Digest, GraphNode>;
  /** Follows referrers of each manifest and of those, and cosign tags: their manifests come to `nodes`. */
  whole(): Promise<Graph>;
};

export type Graph = Pick<ImageGraph, 'root' | 'nodes'> & {
  /** In an order in which each may be pushed: what hangs on others after them. */
  readonly companions: readonly Companion[];
  readonly seen: Companions;
};

/** Manifests of one image with all that hangs on it: the largest index, each child with a signature and an SBOM. */
const GRAPH_MANIFESTS = 3 * Bounds.children;
/** Followed at once at each place; requests have a limit of their own. */
const FAN_OUT = 8;
/** A signature of an SBOM of an image is 2. */
const COMPANION_DEPTH = 8;

type Walk = {
  readonly view: SourceView;
  readonly repository: RepositoryName;
  readonly nodes: Map<Digest, GraphNode>;
  readonly warn: (message: string) => void;
};

export type GraphOptions = {
  readonly repository: RepositoryName;
  readonly reference: ManifestReference;
  readonly platforms: readonly Platform[];
  readonly warn: (message: string) => void;
};

/** Reads an image at the source, with its children. Throws CopyError; MANIFEST_INVALID beyond the bounds. */
export async function readImage(view: SourceView, options: GraphOptions): Promise<ImageGraph> {
  const { repository, reference, platforms, warn } = options;
  const walk: Walk = { view, repository, nodes: new Map(), warn };
  const { nodes } = walk;
  const place = { origin: 'source', registry: view.endpoint.name, repository, reference } as const;
  const reading = <T>(work: () => Promise<T>) => at(place, 'reading the image', work);
  const root = await reading(async () => {
    const read = await view.manifest(repository, reference);
    const children = platforms.length > 0 && read.manifest.kind === 'index' ? platforms : [];
    return await addNode(walk, read, { depth: 0, platforms: children });
  });
  return {
    root,
    nodes,
    whole: () => reading(async () => ({ root, nodes, ...(await readCompanions(walk, root)) })),
  };
}

type Place = { readonly depth: number; readonly platforms: readonly Platform[] };

async function addNode(walk: Walk, read: SourceManifest, { depth, platforms }: Place): Promise<GraphNode> {
  const { manifest } = read;
  if (depth > Bounds.indexDepth) throw tooMuch(`indexes nest deeper than ${Bounds.indexDepth}`);
  const chosen = platforms.length > 0 ? chosenChildren(manifest.manifests, platforms) : manifest.manifests;
  const node: GraphNode = {
    digest: read.digest,
    mediaType: read.mediaType,
    blobs: requiredBlobs(manifest).map(withoutText),
    children: [...new Set(chosen.map(({ digest }) => digest))],
    sparse: chosen.length < manifest.manifests.length,
    ...(manifest.subject ? { subject: manifest.subject.digest } : {}),
  };
  walk.nodes.set(node.digest, node);
  if (walk.nodes.size > GRAPH_MANIFESTS) throw tooMuch(`more than ${GRAPH_MANIFESTS} manifests hang together`);
  await mapLimited(node.children, FAN_OUT, (digest) => addChild(walk, digest, depth + 1));
  return node;
}

async function addChild(walk: Walk, digest: Digest, depth: number): Promise<void> {
  if (walk.nodes.has(digest)) return;
  const read = await walk.view.manifest(walk.repository, digest);
  if (!walk.nodes.has(digest)) await addNode(walk, read, { depth, platforms: [] });
}

/** Annotations of layers may be long and are not needed. */
function withoutText({ annotations: _, ...descriptor }: Descriptor): Descriptor {
  return descriptor;
}

function tooMuch(message: string): RegistryError {
  return new RegistryError('MANIFEST_INVALID', `the image is too large to be followed: ${message}`);
}

type Found = { readonly companions: readonly Companion[]; readonly seen: Companions };

async function readCompanions(walk: Walk, root: GraphNode): Promise<Found> {
  const companions: Companion[] = [];
  const referrers: Digest[] = [];
  const tags: Record<string, Digest> = {};
  let level = [...walk.nodes.keys()];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > COMPANION_DEPTH) throw tooMuch(`referrers of referrers nest deeper than ${COMPANION_DEPTH}`);
    const before = new Set(walk.nodes.keys());
    const found = await mapLimited(level, FAN_OUT, (digest) => companionsOf(walk, digest));
    for (const each of found) {
      companions.push(...each.companions);
      Object.assign(tags, each.tags);
      if (each.subject === root.digest) referrers.push(...each.referrers);
    }
    level = [...walk.nodes.keys()].filter((digest) => !before.has(digest));
  }
  return { companions, seen: { referrers: referrers.sort(), tags } };
}

async function companionsOf(walk: Walk, subject: Digest) {
  const { view, repository } = walk;
  const [listed, tags] = await Promise.all([view.referrers(repository, subject), view.digestTags(repository, subject)]);
  const tagged = await mapLimited(tags, FAN_OUT, (tag) => readTagged(walk, tag));
  const entries = tagged.flatMap((each) => (each?.kind === 'fallback' ? each.referrers : []));
  const digests = [...new Set([...(listed ?? []), ...entries].map(({ digest }) => digest))];
  const referrers = await mapLimited(digests, FAN_OUT, (digest) => readReferrer(walk, subject, digest));
  return {
    subject,
    companions: [
      ...referrers.flatMap((found) => (found ? [{ digest: found, tags: [] }] : [])),
      ...tagged.flatMap((each) => (each?.kind === 'artifact' ? [{ digest: each.digest, tags: [each.tag] }] : [])),
    ],
    referrers: (listed ?? []).map(({ digest }) => digest),
    tags: Object.fromEntries(tagged.flatMap((each) => (each ? [[each.tag, each.digest] as const] : []))),
  };
}

/** A tag made of a digest: cosign's is an artifact to be copied, the fallback a list to be followed. */
async function readTagged(walk: Walk, tag: TagName) {
  const read = await ifThere(() => walk.view.manifest(walk.repository, tag));
  if (!read) {
    walk.warn(`the tag ${tag} is listed and not there`);
    return undefined;
  }
  const { digest, manifest } = read;
  if (isFallbackTag(tag) && manifest.kind === 'index') {
    return { kind: 'fallback', tag, digest, referrers: manifest.manifests } as const;
  }
  if (!walk.nodes.has(digest)) await addNode(walk, read, { depth: 0, platforms: [] });
  return { kind: 'artifact', tag, digest } as const;
}

function isFallbackTag(tag: TagName): boolean {
  return parseDigestTag(tag) !== undefined && !tag.includes('.');
}

/** A referrer, or undefined when the list is wrong about it: lists by tag are kept by clients and grow stale. */
async function readReferrer(walk: Walk, subject: Digest, digest: Digest): Promise<Digest | undefined> {
  const known = walk.nodes.get(digest);
  if (known) return known.subject === subject ? digest : undefined;
  const read = await ifThere(() => walk.view.manifest(walk.repository, digest));
  if (read?.manifest.subject?.digest !== subject) {
    walk.warn(`${digest} is listed as a referrer of ${subject} and ${read ? 'is none' : 'is not there'}`);
    return undefined;
  }
  if (!walk.nodes.has(digest)) await addNode(walk, read, { depth: 0, platforms: [] });
  return digest;
}

async function ifThere<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (thrown) {
    if (isAbsent(causeOf(thrown))) return undefined;
    throw thrown;
  }
}
