import { runWriter } from '../worker.ts';
import { notes } from './notes.ts';

runWriter({
  modules: [notes],
  writePoint: (name) => {
    if (name === 'sql:commit:after') process.exit(1);
  },
});
