import { tryParseSize } from '#surface/config';

/** A size that `checkMeaning` has read before. */
export function bytesOf(text: string): number {
  const sizeBytes = tryParseSize(text);
  if (sizeBytes === undefined) throw new RangeError(`${text} is no size`);
  return sizeBytes;
}
