import type { Digest } from '#core/oci';
import type { CopyEvent } from '#core/registry';
import type { ImageResult, MirrorEvent } from '#engine/mirror';
import { type ProgressEvent, viewOfError } from '#surface/server/api';

export type MirrorWatch = {
  /** The source's name. */
  readonly source: string;
  readonly destinations: number;
  readonly tell: (event: ProgressEvent) => void;
  readonly now: () => number;
};

type BlobEvent = Extract<CopyEvent, { kind: `blob-${string}` }>;
type Flying = { readonly blobs: Map<Digest, number>; doneBytes: number; readonly startedAtMs: number };

/** Turns what the engine tells, by blob and destination, into what people watch: images and their bytes. */
export function mirrorProgress({ source, destinations, tell, now }: MirrorWatch): (event: MirrorEvent) => void {
  const flying = new Map<string, Flying>();
  const keyOf = (repository: string, digest: string) => `${source}/${repository}@${digest}`;
  let images = 0;

  const addBlob = (event: BlobEvent) => {
    const key = keyOf(event.image.repository, event.image.digest);
    const image = flying.get(key);
    if (!image) return;
    // Of several destinations the one that is furthest counts: the bytes are read once.
    const before = image.blobs.get(event.digest) ?? 0;
    const bytes = Math.max(before, bytesOf(event));
    image.blobs.set(event.digest, bytes);
    image.doneBytes += bytes - before;
    tell({ kind: 'image-progress', image: key, doneBytes: image.doneBytes });
  };
  const addCopy = (event: CopyEvent) => {
    if (event.kind === 'planned' || event.kind === 'planned-more') {
      const key = keyOf(event.repository, event.digest);
      if (event.kind === 'planned') {
        flying.set(key, { blobs: new Map(), doneBytes: 0, startedAtMs: now() });
        tell({ kind: 'image-started', image: key });
      }
      tell({ kind: 'image-planned', image: key, totalBytes: event.bytes });
    } else if (event.kind === 'warning') {
      tell({ kind: 'warning', message: `${event.registry}/${event.repository}: ${event.message}` });
    } else if ('image' in event) addBlob(event);
  };
  const addDone = (result: ImageResult) => {
    const key = keyOf(result.source.repository, result.digest ?? result.source.tag);
    // One digest under several tags, or for several destinations, ends several times.
    const image = flying.get(key);
    image?.blobs.clear();
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
      images += event.tags * destinations;
      tell({ kind: 'run-planned', images });
    } else {
      const { repository, error } = event.problem;
      tell({ kind: 'warning', message: `${source}/${repository}: ${error.message}` });
    }
  };
}

function bytesOf(event: BlobEvent): number {
  if (event.kind === 'blob-started') return 0;
  return event.kind === 'blob-progress' ? event.bytes : event.sizeBytes;
}

/** The name under which this registry stands in records of mirrors. */
export const HERE = 'local';

export function placeName({ registry, repository, tag }: ImageResult['source']): string {
  return `${registry === HERE ? '' : `${registry}/`}${repository}:${tag}`;
}
