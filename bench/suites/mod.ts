import type { Suite } from '../suite.ts';
import { memory } from './memory.ts';
import { mirroring } from './mirroring.ts';
import { pullThrough } from './pull-through.ts';
import { scale } from './scale.ts';
import { serving } from './serving.ts';
import { start } from './start.ts';

/** In the order in which they run. */
export const suites: readonly Suite[] = [start, serving, mirroring, pullThrough, memory, scale];
