import type { StoreLimits } from '../limits.ts';
import { cacheWorkload } from './cache-workload.ts';
import { type Step, storeWorkload } from './workload.ts';

export type WorkloadName = 'registry' | 'cache';

/** What fault campaigns run: a store as clients use it, and as a cache does. */
export const workloads: Readonly<Record<WorkloadName, () => Step[]>> = {
  registry: storeWorkload,
  cache: cacheWorkload,
};

/** Parts are synced after each write, so that campaigns see it. */
export const workloadLimits: Partial<StoreLimits> = { partSyncBytes: 1 };
