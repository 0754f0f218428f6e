import { z } from 'zod';

/** Kinds of values that several parts of the file have. What the form cannot say is checked by meaning. */
export const text = () => z.string().min(1);
export const texts = () => z.array(text()).default([]);
/** One, or a list of some. */
export const oneOrMore = () => z.union([text(), z.array(text()).min(1)]);
export const path = (description: string) => text().meta({ description: `${description} Relative to this file.` });
