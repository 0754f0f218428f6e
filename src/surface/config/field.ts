import { z } from 'zod';

/** Kinds of values that several parts of the file have. What the form cannot say is checked by meaning. */
export const text = () => z.string().min(1);
/** Values that are written as text in a form of their own; the name of the form stands in errors. */
export const FORMS = {
  duration: 'a duration such as 10m, 24h or 7d',
  size: 'a size such as 500MB, 200GB or 50GiB',
} as const;
export const durationText = () => z.string({ error: FORMS.duration }).min(1);
export const sizeText = () => z.string({ error: FORMS.size }).min(1);
export const texts = () => z.array(text()).default([]);
/** One, or a list of some. */
export const oneOrMore = () => z.union([text(), z.array(text()).min(1)]);
export const path = (description: string) => text().meta({ description: `${description} Relative to this file.` });
