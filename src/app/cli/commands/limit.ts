import { AppError } from '#core/std';
import type { Context } from '../context.ts';
import { type Typed, textOption } from '../spec.ts';
import { formatCount } from '../table.ts';

/** Enough to read; more is for `--limit` and a pipe. */
const DEFAULT_LIMIT = 1000;

export function limitOf(typed: Typed): number {
  const text = textOption(typed, 'limit');
  if (text === undefined) return DEFAULT_LIMIT;
  const limit = Number(text);
  if (Number.isSafeInteger(limit) && limit > 0) return limit;
  throw new AppError('USAGE', `"${text}" is not a count`, { hint: 'write a whole number, such as --limit 50' });
}

/** At most `limit` items; says so when there are more. */
export async function takeAll<T>(context: Context, items: AsyncIterable<T>, limit: number): Promise<T[]> {
  const taken: T[] = [];
  for await (const item of items) {
    if (taken.length === limit) {
      context.note(`These are the first ${formatCount(limit)}; --limit shows more.`);
      break;
    }
    taken.push(item);
  }
  return taken;
}
