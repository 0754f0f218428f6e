import { arrows } from './arrows.ts';
import { language } from './language.ts';
import { modules } from './modules.ts';
import { packages } from './packages.ts';
import { sizes } from './sizes.ts';
import type { Rule } from './source.ts';
import { texts } from './texts.ts';

/** All rules. There is no list of exemptions: a rule that is wrong is changed for everybody. */
export const rules: readonly Rule[] = [arrows, packages, sizes, language, modules, texts];
