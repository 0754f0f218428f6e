import type { RepositoryName, TagName } from '#core/oci';
import { messageOf } from '#core/std';
import type { ProxyContext } from './context.ts';
import type { ProxyRegistry } from './proxy.ts';

/** Evicted down to this part of the budget, so that not every arrival evicts. */
const EVICT_TO = 0.9;

type Space = {
  readonly context: ProxyContext;
  /** Infinite: nobody has set one. */
  maxBytes: number;
  isPinned: (repository: RepositoryName, tag: TagName | undefined) => boolean;
  /** What was here when it was last counted, and all that may have come since. */
  atMostBytes: number;
  isLooking: boolean;
  isToLookAgain: boolean;
};

/**
 * Keeps a namespace within its bytes: looks when so much has come that the budget may be passed, evicts what was used
 * longest ago, one eviction at a time. Repositories with a download under way are left alone.
 */
export function createSpace(context: ProxyContext): Pick<ProxyRegistry, 'keepWithin' | 'hear'> {
  const { namespace } = context;
  const space: Space = {
    context,
    maxBytes: Number.POSITIVE_INFINITY,
    isPinned: () => false,
    atMostBytes: 0,
    isLooking: false,
    isToLookAgain: false,
  };
  context.arrived.tell = (bytes) => {
    space.atMostBytes += bytes;
    lookIfNeeded(space);
  };
  return {
    keepWithin(maxBytes, isPinned) {
      // Nothing has been counted yet.
      Object.assign(space, { maxBytes, isPinned, atMostBytes: Number.POSITIVE_INFINITY });
      lookIfNeeded(space);
    },
    hear(event) {
      if (event.kind !== 'flight-ended' || event.outcome !== 'stored') return;
      const { repositories, sizeBytes } = event.flight;
      if (!repositories.some((name) => name === namespace || name.startsWith(`${namespace}/`))) return;
      // Whoever counted while it was on its way did not see it.
      space.atMostBytes += sizeBytes;
      lookIfNeeded(space);
    },
  };
}

function lookIfNeeded(space: Space): void {
  if (space.atMostBytes <= space.maxBytes) return;
  space.isToLookAgain = true;
  if (space.isLooking) return;
  space.isLooking = true;
  space.context.background.run('keeping to the budget', () => lookUntilQuiet(space));
}

async function lookUntilQuiet(space: Space): Promise<void> {
  const { log, namespace } = space.context;
  try {
    while (space.isToLookAgain) {
      space.isToLookAgain = false;
      await look(space);
    }
  } catch (thrown) {
    log.error('a cache could not be held to its budget', { namespace, why: messageOf(thrown) });
  } finally {
    space.isLooking = false;
  }
}

async function look(space: Space): Promise<void> {
  const { store, flights, namespace, log, observe } = space.context;
  const { maxBytes } = space;
  space.atMostBytes = (await store.cache.usage(namespace)).bytes;
  if (space.atMostBytes <= maxBytes) return;
  // Asked anew for each: an eviction takes its time, and downloads begin meanwhile.
  const isInFlight = (repository: RepositoryName) =>
    flights.list().some(({ repositories }) => repositories.includes(repository));
  const evicted = await store.cache.evict(namespace, {
    targetBytes: Math.floor(maxBytes * EVICT_TO),
    isPinned: (repository, tag) => isInFlight(repository) || space.isPinned(repository, tag),
  });
  space.atMostBytes -= evicted.bytes;
  observe({ kind: 'evicted', namespace, ...evicted });
  if (space.atMostBytes <= maxBytes) return;
  const hint = 'raise maxBytes, or keep fewer images';
  const what = 'a cache is over its budget: what is left is kept or on its way';
  log.warn(what, { namespace, bytes: space.atMostBytes, maxBytes, hint });
}
