import { runWriter } from '#core/sql';
import { SQL_MODULES } from './modules.ts';

// The built program compiles to machine code late, as suits short commands; this thread is a server's.
Bun.unsafe.setJITPolicy(1);
// The thread that commits, so that a slow fsync never stops a pull. An entry point of its own when compiled.
runWriter({ modules: SQL_MODULES });
