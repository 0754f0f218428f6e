import type { CommandSpec } from '../spec.ts';
import { about } from './about.ts';
import { config } from './config.ts';

/** Every command, in the order of the help. */
export const COMMANDS: readonly CommandSpec[] = [...config, ...about];
