import { runWriter } from '../worker.ts';
import { notes } from './notes.ts';

runWriter({ modules: [notes] });
