import type { Digest, RepositoryName } from '#core/oci';
import type { CopyEvent } from '#core/registry';
import { type ImageResult, type MirrorEndpoint, type MirrorEvent, type MirrorSpec, repositoryAt } from '#engine/mirror';
import { type ProgressEvent, viewOfError } from '#surface/server/api';

export type MirrorRoute = {
  readonly spec: MirrorSpec;
  readonly source: MirrorEndpoint;
  readonly destinations: readonly MirrorEndpoint[];
};

type Tell = (event: ProgressEvent) => void;
type BlobEvent = Extract<CopyEvent, { kind: `blob-${string}` }>;
type Flying = {
  readonly repository: RepositoryName;
  readonly blobs: Map<Digest, number>;
  readonly startedAtMs: number;
};

/** Turns what the engine tells, by blob and destination, into what people watch: images and their bytes. */
export function mirrorProgress(route: MirrorRoute, tell: Tell, now: () => number): (event: MirrorEvent) => void {
  const { source, destinations } = route;
  const flying = new Map<string, Flying>();
  const owners = new Map<Digest, string>();
  const keyOf = (repository: string, digest: string) => `${source.name}/${repository}@${digest}`;
  let images = 0;

  /** The image on its way that a blob counts for: the first that goes to this repository. Shared blobs count once. */
  const ownerOf = ({ digest, destination, repository }: BlobEvent): string | undefined => {
    const known = owners.get(digest);
    if (known !== undefined && flying.has(known)) return known;
    const target = destinations.find(({ name }) => name === destination);
    for (const [key, image] of flying) {
      const there =
        target && repositoryAt(image.repository, { source, destination: target, rewrite: route.spec.rewrite });
      if (there !== repository) continue;
      owners.set(digest, key);
      return key;
    }
    return undefined;
  };
  const addBlob = (event: BlobEvent) => {
    const key = ownerOf(event);
    const image = key === undefined ? undefined : flying.get(key);
    if (key === undefined || !image) return;
    const bytes = event.kind === 'blob-started' ? 0 : event.kind === 'blob-progress' ? event.bytes : event.sizeBytes;
    image.blobs.set(event.digest, Math.max(bytes, image.blobs.get(event.digest) ?? 0));
    const doneBytes = [...image.blobs.values()].reduce((sum, one) => sum + one, 0);
    tell({ kind: 'image-progress', image: key, doneBytes });
  };
  const addCopy = (event: CopyEvent) => {
    if (event.kind === 'planned') {
      const key = keyOf(event.repository, event.digest);
      flying.set(key, { repository: event.repository, blobs: new Map(), startedAtMs: now() });
      tell({ kind: 'image-started', image: key });
      tell({ kind: 'image-planned', image: key, totalBytes: event.bytes });
    } else if (event.kind === 'warning') {
      tell({ kind: 'warning', message: `${event.registry}/${event.repository}: ${event.message}` });
    } else if (event.kind.startsWith('blob-')) addBlob(event as BlobEvent);
  };
  const addDone = (result: ImageResult) => {
    const key = keyOf(result.source.repository, result.digest ?? result.source.tag);
    const image = flying.get(key);
    flying.delete(key);
    tell({
      kind: 'image-done',
      image: key,
      label: `${placeName(result.source)} → ${placeName(result.destination)}`,
      outcome: result.status,
      bytes: result.totals?.bytesUploaded ?? 0,
      durationMs: image ? now() - image.startedAtMs : 0,
      ...(result.error ? { error: viewOfError(result.error) } : {}),
    });
  };
  return (event) => {
    if (event.kind === 'copy') addCopy(event.event);
    else if (event.kind === 'image-done') addDone(event.result);
    else if (event.kind === 'selected') {
      images += event.tags * destinations.length;
      tell({ kind: 'run-planned', images });
    } else {
      const { repository, error } = event.problem;
      tell({ kind: 'warning', message: `${source.name}/${repository}: ${error.message}` });
    }
  };
}

/** The name under which this registry stands in records of mirrors. */
export const HERE = 'local';

export function placeName({ registry, repository, tag }: ImageResult['source']): string {
  return `${registry === HERE ? '' : `${registry}/`}${repository}:${tag}`;
}
