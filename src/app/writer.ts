import { runWriter } from '#core/sql';
import { SQL_MODULES } from './modules.ts';

// The thread that commits, so that a slow fsync never stops a pull. An entry point of its own when compiled.
runWriter({ modules: SQL_MODULES });
