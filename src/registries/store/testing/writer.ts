import { runWriter } from '#core/sql';
import { storeModule } from '../catalog/module.ts';

runWriter({ modules: [storeModule] });
