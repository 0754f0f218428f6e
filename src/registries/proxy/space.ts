import type { RepositoryName, TagName } from '#core/oci';
import { messageOf } from '#core/std';
import type { ProxyContext } from './context.ts';
import type { ProxyRegistry } from './proxy.ts';

/** Evicted down to this part of the budget, so that not every arrival evicts. */
const EVICT_TO = 0.9;

/**
 * Keeps a namespace within its bytes: looks when so much has come that the budget may be passed, evicts what was used
 * longest ago, one eviction at a time. Repositories with a download under way are left alone.
 */
export function createSpace(context: ProxyContext): Pick<ProxyRegistry, 'keepWithin' | 'hear'> {
  const { store, flights, namespace, background, log, observe } = context;
  let maxBytes: number | undefined;
  let isPinned: Parameters<ProxyRegistry['keepWithin']>[1] = () => false;
  /** What was here when it was last counted, and all that may have come since. */
  let atMostBytes = Number.POSITIVE_INFINITY;
  let isLooking = false;
  let isToLookAgain = false;

  const look = async () => {
    if (maxBytes === undefined) return;
    atMostBytes = (await store.cache.usage(namespace)).bytes;
    if (atMostBytes <= maxBytes) return;
    const inFlight = new Set<RepositoryName>(flights.list().flatMap(({ repositories }) => repositories));
    const evicted = await store.cache.evict(namespace, {
      targetBytes: Math.floor(maxBytes * EVICT_TO),
      isPinned: (repository: RepositoryName, tag: TagName) => inFlight.has(repository) || isPinned(repository, tag),
    });
    atMostBytes -= evicted.bytes;
    observe({ kind: 'evicted', namespace, ...evicted });
    if (atMostBytes <= maxBytes) return;
    const hint = 'raise maxBytes, or keep fewer images';
    log.warn('a cache is over its budget: what is left is kept or on its way', {
      namespace,
      bytes: atMostBytes,
      maxBytes,
      hint,
    });
  };

  const lookUntilQuiet = async () => {
    try {
      do {
        isToLookAgain = false;
        await look();
      } while (isToLookAgain);
    } catch (thrown) {
      log.error('a cache could not be held to its budget', { namespace, why: messageOf(thrown) });
    } finally {
      isLooking = false;
    }
  };

  const lookIfNeeded = () => {
    if (maxBytes === undefined || atMostBytes <= maxBytes) return;
    isToLookAgain = true;
    if (isLooking) return;
    isLooking = true;
    background.run('keeping to the budget', lookUntilQuiet);
  };

  context.arrived.tell = (bytes) => {
    atMostBytes += bytes;
    lookIfNeeded();
  };
  return {
    keepWithin(bytes, pinned) {
      maxBytes = bytes;
      isPinned = pinned;
      atMostBytes = Number.POSITIVE_INFINITY;
      lookIfNeeded();
    },
    hear(event) {
      if (event.kind !== 'flight-ended' || event.outcome !== 'stored') return;
      const isOurs = event.flight.repositories.some((name) => name === namespace || name.startsWith(`${namespace}/`));
      if (!isOurs) return;
      // Whoever counted while it was on its way did not see it.
      atMostBytes += event.flight.sizeBytes;
      lookIfNeeded();
    },
  };
}
