import { Bounds } from '#core/oci';
import type { CacheStore } from '../cache-store.ts';
import type { Registry } from '../types.ts';
import { blobMethods } from './blob.ts';
import { cacheMethods } from './cache.ts';
import { listExtras, listMethods } from './list.ts';
import { manifestMethods } from './manifest.ts';
import type { MemoryState } from './state.ts';
import { uploadMethods } from './upload.ts';

export type MemoryOptions = {
  /** Stands in `served.by`. Default `memory`. */
  readonly name?: string;
  /** Whether an index may name children that are not there. Default true. */
  readonly sparseIndex?: boolean;
  /** Whether referrers lists are kept; without, clients keep them under the fallback tag. Default true. */
  readonly referrers?: boolean;
  /** Descriptors in one page of referrers. */
  readonly referrersPerPage?: number;
  /** Upload ids must not be guessable. */
  readonly newUploadId?: () => string;
};

/** A complete registry in memory: the reference of the contract, for tests, samples and short-lived content. */
export function memory(options: MemoryOptions = {}): Registry {
  return registryOf(stateOf(options));
}

/** A registry in memory that a cache can keep its content in. Nothing survives it; bytes in parts do survive `close`. */
export function memoryCache(options: MemoryOptions = {}): CacheStore {
  const state = stateOf(options);
  const registry = registryOf(state);
  const { keeping, pushed } = cacheMethods(state);
  return {
    ...registry,
    async putManifest(repository, bytes, putOptions, call) {
      const answer = await registry.putManifest(repository, bytes, putOptions, call);
      pushed(repository, answer.descriptor.digest);
      return answer;
    },
    cache: keeping,
  };
}

function stateOf(options: MemoryOptions): MemoryState {
  return {
    name: options.name ?? 'memory',
    sparseIndex: options.sparseIndex ?? true,
    referrers: options.referrers ?? true,
    referrersPerPage: options.referrersPerPage ?? Bounds.pageNames,
    newUploadId: options.newUploadId ?? (() => crypto.randomUUID()),
    repositories: new Map(),
    uploads: new Map(),
  };
}

function registryOf(state: MemoryState): Registry {
  const uploads = uploadMethods(state);
  return {
    ...manifestMethods(state),
    ...blobMethods(state, uploads.startUpload),
    ...uploads,
    ...listMethods(state),
    extras: listExtras(state),
  };
}
