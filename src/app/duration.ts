import { tryParseDuration } from '#surface/config';

/** A duration that `checkMeaning` has read before. */
export function durationOf(text: string): number {
  const durationMs = tryParseDuration(text);
  if (durationMs === undefined) throw new RangeError(`${text} is no duration`);
  return durationMs;
}
