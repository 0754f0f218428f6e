export * from './answer.ts';
export { type Copied, type CopyOptions, type CopySubject, copy } from './copy/copy.ts';
export { CopyError, type CopyPlace } from './copy/error.ts';
export { type CopyRun, createCopyRun } from './copy/run.ts';
export type { SourceManifest, SourceView, TagListing } from './copy/source.ts';
export * from './copy/types.ts';
export { type Missing, type MissingOptions, missingContent } from './copy/verify.ts';
export { type MemoryOptions, memory } from './memory/memory.ts';
export * from './types.ts';
