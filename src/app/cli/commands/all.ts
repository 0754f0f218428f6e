import type { CommandSpec } from '../spec.ts';
import { about } from './about.ts';
import { config } from './config.ts';
import { image } from './image.ts';
import { proxy } from './proxy.ts';
import { snippet } from './snippet.ts';
import { run, work } from './work.ts';

/** Every command, in the order of the help. */
export const COMMANDS: readonly CommandSpec[] = [...run, ...image, ...work, ...proxy, ...snippet, ...config, ...about];
