import { cacheStoreContract } from '#core/registry/contract';
import { type Clock, systemClock } from '#core/std';
import { freshStore } from './testing/mod.ts';

/** Real time, in which nobody waits for readers that are not there. */
const clock: Clock = { now: () => systemClock().now(), sleep: async () => {} };

cacheStoreContract('store', async () => {
  const fresh = await freshStore({ clock });
  return { store: fresh.store, dispose: () => fresh.dispose() };
});
