import type { Descriptor, Digest } from '#core/oci';
import { mapLimited } from '#core/std';
import { ensureBlob } from './blob.ts';
import { createContext, type RunContext } from './context.ts';
import { CopyError, copyError } from './error.ts';
import type { BlobOutcome } from './feed.ts';
import { type Graph, type ImageGraph, readImage } from './graph.ts';
import { pushManifests, sparseRefused } from './manifest.ts';
import type { Home } from './presence.ts';
import type { SourceView } from './source.ts';
import type { CopyOutcome, CopyRequest, CopyRunOptions, CopyTarget, CopyTotals, TargetResult } from './types.ts';

/** Copies many images of one source; what one of them found out or brought over, the next one does not ask for again. */
export type CopyRun = {
  /** The source as the run sees it: whoever plans with it does not make the copy ask twice. */
  readonly source: SourceView;
  /**
   * Copies an image with all that hangs on it to each target. A target that fails leaves the others alone:
   * its result has the error. Throws CopyError when the image cannot be read at the source, and the signal's reason.
   */
  copyImage(request: CopyRequest): Promise<CopyOutcome>;
  /** What came from the source so far. */
  moved(): { readonly blobsRead: number; readonly bytesRead: number };
};

export function createCopyRun(options: CopyRunOptions): CopyRun {
  const run = createContext(options);
  return {
    source: run.source,
    copyImage: (request) => copyImage(run, request),
    moved: () => ({ ...run.moved }),
  };
}

type TargetState = {
  readonly target: CopyTarget;
  readonly home: Home;
  totals: CopyTotals;
  error?: CopyError;
};

const NOTHING: CopyTotals = { manifests: 0, blobsUploaded: 0, blobsMounted: 0, blobsSkipped: 0, bytesUploaded: 0 };

async function copyImage(run: RunContext, request: CopyRequest): Promise<CopyOutcome> {
  const { repository, reference, platforms = [], targets } = request;
  const registry = run.source.endpoint.name;
  const warn = (message: string) => run.emit({ kind: 'warning', registry, repository, message });
  const image = await readImage(run.source, { repository, reference, platforms, warn }).catch((thrown) => {
    run.call.signal?.throwIfAborted();
    throw thrown;
  });
  const states = targets.map(
    (target): TargetState => ({
      target,
      home: { endpoint: target.destination, repository: target.repository },
      totals: NOTHING,
    }),
  );
  for (const state of states) refuseSparse(run, image, state);
  const graph = await copyContent(run, { request, image, states });
  await mapLimited(states, states.length, (state) => pushTo(run, { request, graph, state }));
  run.call.signal?.throwIfAborted();
  return {
    digest: graph.root.digest,
    mediaType: graph.root.mediaType,
    manifests: [...graph.nodes.keys()],
    companions: graph.seen,
    results: states.map(resultOf),
  };
}

function resultOf({ target, totals, error }: TargetState): TargetResult {
  return { target, totals, ...(error ? { error } : {}) };
}

type Content = { readonly request: CopyRequest; readonly image: ImageGraph; readonly states: readonly TargetState[] };

/** The image's own blobs do not wait until it is known what hangs on it: that takes round trips. */
async function copyContent(run: RunContext, { request, image, states }: Content): Promise<Graph> {
  const own = blobsOf(image);
  plan(run, { kind: 'planned', request, image });
  let isReadable = true;
  const isWanted = () => isReadable;
  const common = { request, image: image.root.digest, states, isWanted };
  const others = async () => {
    const ownManifests = image.nodes.size;
    const graph = await image.whole().catch((thrown) => {
      isReadable = false;
      throw thrown;
    });
    if (graph.nodes.size > ownManifests) plan(run, { kind: 'planned-more', request, image });
    const begun = new Set(own.map(({ digest }) => digest));
    await copyBlobs(run, { ...common, blobs: blobsOf(graph).filter(({ digest }) => !begun.has(digest)) });
    return graph;
  };
  const [whole, copied] = await Promise.allSettled([others(), copyBlobs(run, { ...common, blobs: own })]);
  run.call.signal?.throwIfAborted();
  if (copied.status === 'rejected') throw copied.reason;
  if (whole.status === 'rejected') throw whole.reason;
  return whole.value;
}

type Plan = Pick<Content, 'request' | 'image'> & { readonly kind: 'planned' | 'planned-more' };

function plan(run: RunContext, { kind, request, image }: Plan): void {
  const { repository, reference } = request;
  const blobs = blobsOf(image);
  const bytes = blobs.reduce((sum, { size }) => sum + size, 0);
  const { root, nodes } = image;
  run.emit({ kind, repository, reference, digest: root.digest, manifests: nodes.size, blobs: blobs.length, bytes });
}

/** Largest first: the end of a run is not one long layer. */
function blobsOf({ nodes }: Pick<Graph, 'nodes'>): Descriptor[] {
  const blobs = new Map<Digest, Descriptor>();
  for (const node of nodes.values()) for (const blob of node.blobs) blobs.set(blob.digest, blob);
  return [...blobs.values()].sort((left, right) => right.size - left.size);
}

/** What is known to end in a refusal is not uploaded first. */
function refuseSparse(run: RunContext, { root }: ImageGraph, state: TargetState): void {
  const { destination, repository } = state.target;
  if (!root.sparse || destination.registry.extras.capabilities?.(repository).sparseIndex !== false) return;
  fail(run, {
    state,
    reference: root.digest,
    thrown: sparseRefused('the registry needs every child of an index'),
  });
}

type Failing = { readonly state: TargetState; readonly reference: string; readonly thrown: unknown };

function fail(run: RunContext, { state, reference, thrown }: Failing): void {
  if (state.error) return;
  const { endpoint, repository } = state.home;
  const place = { origin: 'destination', registry: endpoint.name, repository, reference } as const;
  const error = copyError(place, 'copying the image', thrown);
  // An abort is no fault of a target: the run throws it once everything has ended.
  if (!(error instanceof CopyError)) return;
  state.error = error;
  run.emit({ kind: 'failed', destination: endpoint.name, repository, error });
}

type Blobs = {
  readonly request: CopyRequest;
  readonly image: Digest;
  readonly blobs: readonly Descriptor[];
  readonly states: readonly TargetState[];
  /** False once the image is known to end in a failure: no further blob is begun. */
  readonly isWanted: () => boolean;
};

async function copyBlobs(run: RunContext, { request, image, blobs, states, isWanted }: Blobs): Promise<void> {
  const copyOne = async (blob: Descriptor) => {
    const homes = homesOf(states.filter(({ error }) => !error));
    run.call.signal?.throwIfAborted();
    if (homes.length === 0 || !isWanted()) return;
    const outcomes = await ensureBlob(run, { blob, from: request.repository, image, homes });
    for (const outcome of outcomes) take(run, { blob, states, outcome });
  };
  await mapLimited(blobs, run.limits.blobs, copyOne);
}

/** Two tags of one repository are one home. */
function homesOf(states: readonly TargetState[]): Home[] {
  return [...new Map(states.map(({ home }) => [keyOf(home), home])).values()];
}

function keyOf({ endpoint, repository }: Home): string {
  return `${endpoint.name} ${repository}`;
}

type Taken = { readonly blob: Descriptor; readonly states: readonly TargetState[]; readonly outcome: BlobOutcome };

function take(run: RunContext, { blob, states, outcome }: Taken): void {
  for (const state of states) {
    if (keyOf(state.home) !== keyOf(outcome.home)) continue;
    if (outcome.kind === 'failed') fail(run, { state, reference: blob.digest, thrown: outcome.error });
    else state.totals = added(state.totals, outcome.kind, blob.size);
  }
}

function added(totals: CopyTotals, kind: 'uploaded' | 'mounted' | 'skipped', sizeBytes: number): CopyTotals {
  if (kind === 'mounted') return { ...totals, blobsMounted: totals.blobsMounted + 1 };
  if (kind === 'skipped') return { ...totals, blobsSkipped: totals.blobsSkipped + 1 };
  return {
    ...totals,
    blobsUploaded: totals.blobsUploaded + 1,
    bytesUploaded: totals.bytesUploaded + sizeBytes,
  };
}

type Pushing = { readonly request: CopyRequest; readonly graph: Graph; readonly state: TargetState };

async function pushTo(run: RunContext, { request, graph, state }: Pushing): Promise<void> {
  if (state.error) return;
  const { target } = state;
  const done = new Set<Digest>();
  try {
    await pushManifests({ run, graph, from: request.repository, target, done, unlisted: new Map() });
    state.totals = { ...state.totals, manifests: done.size };
  } catch (thrown) {
    fail(run, { state, reference: target.tags[0] ?? graph.root.digest, thrown });
  }
}
