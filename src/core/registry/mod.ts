export * from './answer.ts';
export { type MemoryOptions, memory } from './memory/memory.ts';
export * from './types.ts';
