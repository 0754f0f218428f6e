import { registryContract } from '#core/registry/contract';
import { freshStore, type OpenStoreOptions } from './testing/fixture.ts';

const make = (options?: OpenStoreOptions) => async () => {
  const fixture = await freshStore(options);
  return { registry: fixture.store, dispose: () => fixture.dispose() };
};

registryContract('a store', make());
registryContract('a store that wants whole indexes', make({ sparseIndexes: false }));
registryContract(
  'a store with its writer on a thread',
  make({ writer: new URL('./testing/writer.ts', import.meta.url) }),
);
