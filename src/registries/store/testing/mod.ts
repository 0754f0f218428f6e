// For tests and fault campaigns: a face of its own, `#registries/store/testing`.
export {
  damageManifests,
  type FreshStore,
  freshStore,
  type OpenedStore,
  type OpenStoreOptions,
  openStore,
  temporaryFolder,
} from './fixture.ts';
export { killAt } from './kill.ts';
export { type PowerCutFs, powerCutFs } from './power-cut.ts';
export { type Expected, faultCall, findFaults, runWorkload, type Step } from './workload.ts';
export { type WorkloadName, workloadLimits, workloads } from './workloads.ts';
export { type WritePoint, withWritePoints } from './write-points.ts';
