import { runWriter } from '../worker.ts';
import { olderNotes } from './notes.ts';

runWriter({ modules: [olderNotes] });
