// For tests alone (it needs bun:test), so it is a face of its own: `#core/registry/contract`.
export { type CacheFixture, cacheStoreContract, type MakeCacheFixture } from './cache-store.ts';
export { registryContract } from './contract.ts';
export * from './sample.ts';
export { type ContractFeature, type ContractOptions, expectCode, type Fixture, type MakeFixture } from './suite.ts';
