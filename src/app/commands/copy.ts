import { isDigest, type Platform } from '#core/oci';
import { type CopyEvent, copy } from '#core/registry';
import { systemClock } from '#core/std';
import type { Running } from '#surface/server/api';
import { meantReference } from './image.ts';
import { formatPlace, type Place } from './place.ts';
import type { Session } from './session.ts';

export type CopyRequestPlaces = {
  readonly source: Place;
  readonly destination: Place;
  readonly platforms: readonly Platform[];
};
export type CopiedImage = {
  readonly source: string;
  readonly destination: string;
  readonly digest: string;
  readonly manifests: number;
  readonly bytes: number;
};

/** Copies one image with all that hangs on it between any two places. Throws CopyError. */
export async function copyImage(
  session: Session,
  { source, destination, platforms }: CopyRequestPlaces,
  running: Running & { readonly now: () => number },
): Promise<CopiedImage> {
  const from = await session.shelf(source, 'source');
  const to = await session.shelf(destination, 'destination');
  const reference = source.reference ?? meantReference(from);
  const tag = destination.reference ?? reference;
  const target: Place = isDigest(tag) ? destination : { ...destination, reference: tag };
  const title = `${formatPlace({ ...source, reference })} → ${formatPlace(target)}`;
  const startedAtMs = running.now();
  running.onProgress({ kind: 'run-planned', images: 1 });
  const done = await copy(
    from.registry,
    to.registry,
    { repository: from.repository, reference },
    {
      call: session.call,
      clock: systemClock(),
      to: { repository: to.repository, tags: isDigest(tag) ? [] : [tag] },
      platforms,
      names: { source: nameOf(source), destination: nameOf(destination) },
      onEvent: copyProgress(title, running),
    },
  );
  await to.finish?.();
  const bytes = done.totals.bytesUploaded;
  running.onProgress({
    kind: 'image-done',
    image: title,
    outcome: 'copied',
    bytes,
    durationMs: running.now() - startedAtMs,
  });
  return {
    source: formatPlace({ ...source, reference }),
    destination: formatPlace(target),
    digest: done.digest,
    manifests: done.manifests.length,
    bytes,
  };
}

function nameOf(place: Place): string {
  if (place.kind === 'host') return place.host;
  return place.kind === 'local' ? 'local' : place.path;
}

/** Bytes of one image as they go by. */
function copyProgress(image: string, { onProgress }: Running): (event: CopyEvent) => void {
  const blobs = new Map<string, number>();
  return (event) => {
    if (event.kind === 'planned') onProgress({ kind: 'image-started', image });
    if (event.kind === 'planned' || event.kind === 'planned-more') {
      onProgress({ kind: 'image-planned', image, totalBytes: event.bytes });
    } else if (event.kind === 'warning') {
      onProgress({ kind: 'warning', message: event.message });
    } else if ('sizeBytes' in event) {
      blobs.set(event.digest, bytesOf(event));
      onProgress({ kind: 'image-progress', image, doneBytes: [...blobs.values()].reduce((sum, one) => sum + one, 0) });
    }
  };
}

function bytesOf(event: Extract<CopyEvent, { readonly sizeBytes: number }>): number {
  if (event.kind === 'blob-started') return 0;
  return event.kind === 'blob-progress' ? event.bytes : event.sizeBytes;
}
