import { isRegistryError } from '#core/oci';
import type { FlightContext } from './course.ts';

/** Forgets the oldest parts that nobody went on with, beyond the bytes that may be kept. */
export async function boundKept({ parts, limits, log }: FlightContext): Promise<void> {
  let keptBytes = 0;
  for (const { digest, sizeBytes } of (await parts.list()).toReversed()) {
    keptBytes += sizeBytes;
    if (keptBytes <= limits.keptBytes) continue;
    log.info('the part of a blob was dropped: too many are kept', { digest, sizeBytes });
    await parts.remove(digest).catch((thrown) => {
      // Somebody took it up in between: it is in use again.
      if (!isRegistryError(thrown, 'INTERNAL')) throw thrown;
    });
  }
}
