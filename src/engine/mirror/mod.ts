export { applyMirror } from './apply.ts';
export { type Place, planImage, platformsKey, sourceName } from './plan.ts';
export { repositoryAt, tagSelector } from './select.ts';
export { mirrorSql, sqlState } from './sql-state.ts';
export {
  type BlobHome,
  type ImageKey,
  type ImageRecord,
  type MirrorState,
  memoryState,
  type SourceFact,
} from './state.ts';
export type {
  ImageResult,
  MirrorEndpoint,
  MirrorEvent,
  MirrorOptions,
  MirrorResult,
  MirrorSpec,
  MirrorStep,
  MirrorTotals,
  SelectionProblem,
  SourceImage,
  StepReason,
  TagRules,
} from './types.ts';
