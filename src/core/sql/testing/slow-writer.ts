import { runWriter } from '../worker.ts';
import { notes } from './notes.ts';

/** A disk whose fsync takes this long blocks the writer's thread, as a real one does. */
const SLOW_COMMIT_MS = 200;

runWriter({
  modules: [notes],
  writePoint: (name) => {
    if (name === 'sql:commit:before') Bun.sleepSync(SLOW_COMMIT_MS);
  },
});
